#!/bin/bash
# A real S3 server for tests: one Ceph monitor, one object store daemon held in memory, one RADOS gateway,
# all on loopback, from Debian's packages (radosgw ceph-mon ceph-osd ceph-common). Up in about 12 s, ~180 MB of memory.
#
#   ceph-rgw.sh install                    install the Debian packages (root)
#   ceph-rgw.sh start DIR [PORT]           start; prints S3_ENDPOINT= (plain), S3_TLS_ENDPOINT=, S3_FINGERPRINT= (SHA-256 of the certificate),
#                                       S3_ACCESS_KEY=, S3_SECRET_KEY=, S3_REGION= lines
#   ceph-rgw.sh stop DIR                   stop what `start DIR` started and remove DIR
#
# PORT defaults to 7480, TLS is on PORT+1, the monitor listens on PORT+1000. Data lives in memory and is gone after stop.
# Known to hold (Ceph 16.2.15): PUT with If-None-Match: * creates or answers 412; DeleteObjects takes 1000 keys;
# ListObjectsV2 pages by 1000. Known quirks: If-Match on PUT accepts only an unquoted ETag; If-Match on DELETE is ignored.
set -euo pipefail
cmd=${1:?install, start or stop}
case $cmd in
install)
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends radosgw ceph-mon ceph-osd ceph-common curl openssl >/dev/null
  ;;
start)
  dir=$(realpath -m "${2:?directory}") port=${3:-7480} mon=$(( ${3:-7480} + 1000 ))
  [ -e "$dir/ceph.conf" ] && { echo "ceph-rgw: $dir is in use" >&2; exit 1; }
  mkdir -p "$dir"/{mon,osd,run}
  fsid=$(cat /proc/sys/kernel/random/uuid) osd=$(cat /proc/sys/kernel/random/uuid)
  cat > "$dir/ceph.conf" <<CONF
[global]
fsid = $fsid
mon host = v2:127.0.0.1:$mon/0
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = $dir/keyring
mon data = $dir/mon
osd data = $dir/osd
run dir = $dir/run
log file = $dir/\$name.log
pid file = $dir/run/\$name.pid
admin socket = $dir/run/\$name.asok
ms bind ipv6 = false
osd objectstore = memstore
memstore device bytes = 8589934592
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 2
osd pool default pgp num = 2
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail warn = 1
mon data avail crit = 1
mon osd full ratio = 0.99
mon osd backfillfull ratio = 0.98
mon osd nearfull ratio = 0.97
[client.rgw.a]
rgw frontends = beast endpoint=127.0.0.1:$port ssl_endpoint=127.0.0.1:$((port + 1)) ssl_certificate=$dir/tls.pem
debug rgw = 0
CONF
  openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1,DNS:localhost \
    -keyout "$dir/tls.key" -out "$dir/tls.crt" 2>/dev/null
  cat "$dir/tls.crt" "$dir/tls.key" > "$dir/tls.pem"
  export CEPH_CONF=$dir/ceph.conf
  {
    ceph-authtool --create-keyring "$dir/keyring" --gen-key -n mon. --cap mon 'allow *'
    ceph-authtool "$dir/keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
    ceph-authtool "$dir/keyring" --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *'
    ceph-authtool "$dir/keyring" --gen-key -n client.rgw.a --cap mon 'allow rwx' --cap osd 'allow rwx'
    monmaptool --create --fsid "$fsid" --addv a "[v2:127.0.0.1:$mon]" "$dir/monmap"
    ceph-mon --mkfs -i a --monmap "$dir/monmap" --keyring "$dir/keyring"
    ceph-mon -i a
    timeout 60 ceph auth import -i "$dir/keyring"
    timeout 60 ceph osd create "$osd"
    ceph-osd -i 0 --mkfs --osd-uuid "$osd"
    ceph-osd -i 0
    radosgw -n client.rgw.a
  } > "$dir/start.log" 2>&1 < /dev/null || { echo "ceph-rgw: start failed, see $dir/start.log" >&2; exit 1; }
  for _ in $(seq 90); do curl -s -m 2 -o /dev/null "http://127.0.0.1:$port/" && break; sleep 1; done
  timeout 60 radosgw-admin user create --uid test --display-name test --access-key testkey --secret-key testsecret --max-buckets 0 >> "$dir/start.log" 2>&1
  printf 'S3_TLS_ENDPOINT=https://127.0.0.1:%s\nS3_FINGERPRINT=%s\n' "$((port + 1))" \
    "$(openssl x509 -in "$dir/tls.crt" -noout -fingerprint -sha256 | cut -d= -f2 | tr A-Z a-z)"
  printf 'S3_ENDPOINT=http://127.0.0.1:%s\nS3_ACCESS_KEY=testkey\nS3_SECRET_KEY=testsecret\nS3_REGION=us-east-1\n' "$port"
  ;;
stop)
  dir=$(realpath -m "${2:?directory}")
  [ -f "$dir/ceph.conf" ] || { echo "ceph-rgw: nothing started in $dir" >&2; exit 1; }
  for pid in $(cat "$dir"/run/*.pid 2>/dev/null); do kill "$pid" 2>/dev/null || true; done
  for pid in $(cat "$dir"/run/*.pid 2>/dev/null); do for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done; kill -9 "$pid" 2>/dev/null || true; done
  rm -rf "$dir"
  ;;
*) echo "ceph-rgw: unknown command $cmd" >&2; exit 2 ;;
esac
