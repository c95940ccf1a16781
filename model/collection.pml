/*
 * The protocol of register, gate, mark, sweep, bad-marking, move and process lock, on one machine that does not lose
 * power (power.pml is for that). Two digests; sets of digests and of snapshots are bit masks. README.md names the
 * function behind each step and how a variant (-D…) or a mutation (-DM_…) is chosen.
 */

#ifndef RUNS
#define RUNS 2            /* collections, one after the other */
#endif
#ifndef PROCESS_2
#define PROCESS_2 0       /* the process of the second session */
#endif
#ifndef GROUP_2
#define GROUP_2 1         /* 0: both sessions write one group, one after the other */
#endif
#ifndef SLOT_1
#define SLOT_1 1
#endif
#ifndef SLOT_2
#define SLOT_2 2          /* 0 or 1: its snapshot looks like an earlier one, removed and made again */
#endif

#define ABSENT 0
#define GOOD 1
#define ROT 2             /* there, but its content is wrong */
#define SNAPSHOTS 3
#define MOVER 2           /* index of the move among the writers */
#define NONE 9
#define A 0
#define B 1
#ifdef KEPT
#define RECORD(s) recorded = recorded | BIT(s)
#else
#define RECORD(s) skip
#endif
#define BIT(d) (1 << (d))
#define HAS(set, d) (((set) >> (d)) & 1)

/* On disk. Snapshot 0 is there at first; 1 and 2 are of the sessions. */
byte chunk[2];
byte refs[SNAPSHOTS];     /* digests that its index names */
bit visible[SNAPSHOTS];   /* the index has its final name */
bit finished[SNAPSHOTS];  /* the manifest has its name */
bit place[SNAPSHOTS];     /* namespace A or B */
byte collections;
bit unmounted;            /* namespace B is an empty folder just now */
byte journal;             /* stock's move journal */

/* In the kernel. */
byte readers[SNAPSHOTS];  /* shared snapshot locks */
bit owned[SNAPSHOTS];     /* exclusive ones */
bit groupBusy;
bit journalBusy;
byte shared[2];           /* holds of the process lock by process */
byte excluding[2];

/* In memory, by process or by writer. */
bit collecting[2];
bit marking[2];
byte marks[2];
bit gate[4];              /* by process and digest */
byte condemned[2];        /* digests about to be renamed as bad */
byte live;                /* writers that collections know */
byte relied[3];           /* registered digests of a writer */
bit failed[3];
byte ended;
byte recorded;            /* snapshots whose removal is recorded */

#define PROCESS(w) ((w) == 0 -> 0 : PROCESS_2)
#define GATE(p, d) gate[2 * (p) + (d)]
#define OTHER(p) (1 - (p))
#define MAY_SHARE(p) (excluding[OTHER(p)] == 0)
#define MAY_EXCLUDE(p) (excluding[OTHER(p)] == 0 && shared[OTHER(p)] == 0)

#ifdef VERIFY
#define MAY_MISS 1        /* a chunk that was marked bad is missing at finish: the session fails */
#else
#define MAY_MISS 0
#endif

#define MISSING(set) ((HAS(set, 0) && chunk[0] == ABSENT) || (HAS(set, 1) && chunk[1] == ABSENT))

inline takeShared(p) {
#ifdef M_SESSION_TAKES_NO_PROCESS_LOCK
  skip
#else
  atomic { MAY_SHARE(p) -> shared[p]++ }
#endif
}

inline releaseShared(p) {
#ifdef M_SESSION_TAKES_NO_PROCESS_LOCK
  skip
#else
  shared[p]--
#endif
}

/* SessionDigests.registerAt(): one synchronous step. */
inline register(w, p, set) {
  atomic {
    relied[w] = relied[w] | (set);
#ifndef M_REGISTER_MARKS_NOTHING
    if
    :: marking[p] -> marks[p] = marks[p] | (set)
    :: else
    fi;
#endif
#ifndef M_CONDEMNED_NOT_ASKED
    if
    :: condemned[p] & (set) -> failed[w] = 1
    :: else
    fi
#endif
  }
}

/* ChunkStore.insert(): acquire, look, put; then register and open the gate. Sets `done`. */
inline upload(w, p, d) {
#ifdef M_REGISTER_BEFORE_PUT
  register(w, p, BIT(d)); written = written | BIT(d);
#endif
  atomic {
#ifndef M_UPLOAD_WITHOUT_GATE
    !GATE(p, d) -> GATE(p, d) = 1;
#endif
    if
    :: chunk[d] != ABSENT -> done = 1
    :: chunk[d] == ABSENT -> chunk[d] = GOOD; written = written | BIT(d); done = 1
    :: chunk[d] == ABSENT -> GATE(p, d) = 0            /* the disk is full */
#ifdef M_REGISTER_BEFORE_PUT
      ; done = 1
#endif
    fi
  };
#ifdef M_REGISTER_AFTER_GATE
  GATE(p, d) = 0;
#endif
  if
  :: done -> atomic {
      register(w, p, BIT(d));
      used = used | BIT(d);
      done = 0;
#if !defined(M_REGISTER_AFTER_GATE) && !defined(M_UPLOAD_WITHOUT_GATE)
      GATE(p, d) = 0
#endif
    }
  :: else
  fi
}

/* BackupWriter, from beginBackup() to its end. */
proctype Session(byte w; byte snapshot; byte group) {
  byte p = PROCESS(w), base = NONE, known = 0, written = 0, used = 0;
  bit done = 0;
  atomic {
#if GROUP_2 == 0 || SLOT_2 != 2
    w == 0 || ended > 0;                 /* one group, one session at a time */
#endif
#ifndef M_SESSION_TAKES_NO_PROCESS_LOCK
    MAY_SHARE(p);
#endif
    if
    :: visible[snapshot] -> goto gone    /* there is one of that time */
    :: else
    fi;
    takeShared(p);
    if                                   /* the newest finished snapshot */
    :: group == 0 && finished[1] && !owned[1] && snapshot != 1 -> base = 1
    :: group == 0 && !(finished[1] && snapshot != 1) && finished[0] && !owned[0] && snapshot != 0 -> base = 0
    :: else
    fi;
    if
    :: base != NONE ->
#ifndef M_BASE_NOT_LOCKED
      readers[base]++
#endif
    :: else
    fi;
    owned[snapshot] = 1; live = live | BIT(w); place[snapshot] = A
  };
  if                                     /* registerPrevious(), or a clone */
  :: base != NONE ->
    atomic { known = (visible[base] -> refs[base] : 0) };
#ifndef M_KNOWN_NOT_REGISTERED
    register(w, p, known)
#endif
  :: else
  fi;
  if
  :: atomic { HAS(known, 0) -> used = used | 1 }
  :: upload(w, p, 0)
  :: skip
  fi;
  if
  :: atomic { HAS(known, 1) -> used = used | 2; known = 0 }
  :: known = 0; upload(w, p, 1)
  :: known = 0
  fi;
#ifdef M_SESSION_LEAVES_BEFORE_ITS_INDEX
  live = live & ~BIT(w);
#endif
#ifdef M_PROCESS_LOCK_ENDS_BEFORE_THE_INDEX
  shared[p]--;
#endif
  atomic { refs[snapshot] = used; visible[snapshot] = 1 };   /* close() of the index */
  atomic {
    if
    :: goto abort                        /* the client is gone */
    :: skip
    fi;
    /* checkBeforeFinish(): what its index names and it did not write */
#ifndef M_FINISH_LOOKS_AT_NOTHING
    if
    :: MISSING(used & ~written) -> assert(MAY_MISS); goto abort
    :: else
    fi;
#endif
    if                                   /* #checkBaseExists() */
    :: base != NONE -> assert(visible[base])
    :: else
    fi
  };
  atomic {                               /* publishSnapshot() */
    if
    :: failed[w] -> goto abort
    :: else -> finished[snapshot] = 1
    fi
  };
  atomic {
#ifndef M_NOT_ASKED_AFTER_PUBLISHING
    if
    :: failed[w] -> goto abort
    :: else
    fi;
#endif
    assert(!MISSING(used));              /* I2: now the client is told that all is well */
    goto end;
abort:
    finished[snapshot] = 0; visible[snapshot] = 0; refs[snapshot] = 0;
    RECORD(snapshot);
end:
    live = live & ~BIT(w); relied[w] = 0; owned[snapshot] = 0; failed[w] = 0;
    if
    :: base != NONE ->
#ifndef M_BASE_NOT_LOCKED
      readers[base]--;
#endif
      base = NONE
    :: else
    fi;
#ifndef M_PROCESS_LOCK_ENDS_BEFORE_THE_INDEX
    releaseShared(p);
#endif
    used = 0; written = 0;
gone:
    ended++
  }
}

inline hide(s) {
  atomic { finished[s] && readers[s] == 0 && !owned[s] -> RECORD(s); finished[s] = 0; visible[s] = 0 }
}

/* removeSnapshot(), by prune, forget or a group's removal. */
proctype Forget() {
  do
  :: hide(0)
  :: hide(1)
  :: break
  od
}

/* moveGroup(): a writer like a session. */
proctype Move(byte s; byte p) {
  atomic {
    if
    :: finished[s] && readers[s] == 0 && !owned[s] -> owned[s] = 1
    :: !finished[s] -> goto end
    fi
  };
#ifndef M_MOVE_TAKES_NO_PROCESS_LOCK
  takeShared(p);
#endif
#if !defined(M_MOVE_DOES_NOT_REGISTER) && !defined(M_MOVE_REGISTERS_AFTERWARDS)
  live = live | BIT(MOVER);
  register(MOVER, p, refs[s]);
#endif
  place[s] = A;
#ifdef M_MOVE_REGISTERS_AFTERWARDS
  live = live | BIT(MOVER);
  register(MOVER, p, refs[s]);
#endif
  atomic { live = live & ~BIT(MOVER); relied[MOVER] = 0; owned[s] = 0 };
#ifndef M_MOVE_TAKES_NO_PROCESS_LOCK
  releaseShared(p);
#endif
end: skip
}

/* Stock's move, in another process: it holds no process lock, and writes where it moves to. */
proctype StockMove(byte s) {
  atomic {
    if
    :: finished[s] && readers[s] == 0 && !owned[s] -> owned[s] = 1
    :: !finished[s] -> goto end
    fi
  };
  atomic { !journalBusy -> journalBusy = 1 };
  journal = journal | BIT(s);
  journalBusy = 0;
  place[s] = A;
  owned[s] = 0;
end: skip
}

#define SEEN(s, where) (visible[s] && place[s] == (where) && !((where) == B && unmounted))

inline unlinkChunk(d) {
  atomic {
    assert(!(HAS(live, MOVER) && HAS(relied[MOVER], d)));
    /* I1 */
    assert(!(visible[0] && HAS(refs[0], d)));
    assert(!(visible[1] && HAS(refs[1], d)));
    assert(!(visible[2] && HAS(refs[2], d)));
    assert(!(HAS(live, 0) && !failed[0] && HAS(relied[0], d)));
    assert(!(HAS(live, 1) && !failed[1] && HAS(relied[1], d)));
    chunk[d] = ABSENT
  }
}

inline seedOne(p, w) {
  if
  :: HAS(writers, w) && PROCESS(w) == p -> marks[p] = marks[p] | relied[w]
  :: else
  fi
}

inline seed(p) {
  seedOne(p, 0);
  seedOne(p, 1);
#ifdef MOVE
  seedOne(p, 2);
#endif
  writers = 0
}

/* One entry of a listing: opened if it is there. Newest first: what is made after it was looked for is not seen. */
inline readIndex(p, s, where) {
  atomic {
    if
    :: SEEN(s, where) && !HAS(read, s) ->
      read = read | BIT(s); unknown = 1;
#ifdef KEPT
      if
      :: HAS(keptOf, s) -> taken = taken | BIT(s); marks[p] = marks[p] | kept[s]
      :: else -> marks[p] = marks[p] | refs[s]; now[s] = refs[s]
      fi
#else
      marks[p] = marks[p] | refs[s]
#endif
    :: else
    fi
  }
}

inline readAgain(p, s) {
  atomic {
    if
    :: HAS(taken, s) && visible[s] -> marks[p] = marks[p] | refs[s]; now[s] = refs[s]
    :: else
    fi
  }
}

inline keepRoot(p, s) {
  atomic {
    if
    :: HAS(keptOf & ~read, s) && !HAS(recorded, s) -> marks[p] = marks[p] | kept[s]; now[s] = kept[s]; read = read | BIT(s)
    :: else
    fi
  }
}

inline sweepOne(p, d) {
  if
  :: atomic { chunk[d] != ABSENT && !HAS(marks[p], d) -> took = 1 };
    atomic {
#ifndef M_SWEEP_WITHOUT_GATE
      if
      :: GATE(p, d) -> took = 0
      :: else -> GATE(p, d) = 1
      fi;
#endif
#ifndef M_NO_SECOND_LOOK
      if
      :: took && HAS(marks[p], d) -> GATE(p, d) = 0; took = 0
      :: else
      fi;
#endif
#ifdef M_GATE_OPENS_BEFORE_THE_UNLINK
      GATE(p, d) = 0
#endif
    };
    atomic {
      if
      :: took -> unlinkChunk(d);
#if !defined(M_SWEEP_WITHOUT_GATE) && !defined(M_GATE_OPENS_BEFORE_THE_UNLINK)
        GATE(p, d) = 0;
#endif
        took = 0
      :: else
      fi
    }
  :: else
  fi
}

/* collect(): `turns` times. */
proctype Collector(byte p; byte turns) {
  byte turn = 0, writers = 0, read = 0;
  bit unknown = 0, took = 0;
#ifdef KEPT
  byte taken = 0, keptOf = 0;
  byte kept[SNAPSHOTS], now[SNAPSHOTS];
#endif
  do
  :: turn == turns -> break
  :: else ->
    atomic {
#ifndef M_COLLECTION_TAKES_NO_PROCESS_LOCK
      MAY_EXCLUDE(p) && !collecting[p] -> excluding[p]++; collecting[p] = 1;
#endif
#ifdef M_SEED_BEFORE_ACTIVE
      writers = live;
    };
    seed(p);
    atomic {
      marking[p] = 1;
#else
      marking[p] = 1; writers = live;
#endif
    };
#if !defined(M_SEED_AFTER_LISTING) && !defined(M_NO_SEED) && !defined(M_SEED_BEFORE_ACTIVE)
    seed(p);
#else
    writers = 0;
#endif
    do                                   /* until nothing unknown appears */
    :: unknown = 0;
      readIndex(p, 2, A);
      readIndex(p, 1, A);
      readIndex(p, 0, A);
      readIndex(p, 0, B);
#ifdef JOURNAL
#ifndef M_JOURNAL_NOT_READ
      atomic {
        !journalBusy;
        if
        :: HAS(journal, 0) -> readIndex(p, 0, A)
        :: else
        fi
      };
#endif
#endif
#ifdef M_ONE_WALK
      break
#else
      if
      :: unknown
      :: else -> break
      fi
#endif
    od;
    unknown = 0;
#ifdef M_SEED_AFTER_LISTING
    writers = live; seed(p);
#endif
#ifdef KEPT
#ifndef M_VANISHED_ROOTS_FORGOTTEN
    keepRoot(p, 0);                      /* known at the last run, gone, and nobody removed it */
    keepRoot(p, 1);
    keepRoot(p, 2);
#endif
#ifndef M_STALE_LIST_TRUSTED
    if
    :: taken && ((chunk[0] != ABSENT && !HAS(marks[p], 0)) || (chunk[1] != ABSENT && !HAS(marks[p], 1))) ->
      readAgain(p, 0);                   /* something to delete: what was taken from memory is read again */
      readAgain(p, 1);
      readAgain(p, 2)
    :: else
    fi;
#endif
#endif
    sweepOne(p, 0);
    sweepOne(p, 1);
    atomic {
#ifdef KEPT
      keptOf = read; taken = 0;
      kept[0] = now[0]; kept[1] = now[1]; kept[2] = now[2];
#endif
      marking[p] = 0; marks[p] = 0; read = 0;
#ifndef M_COLLECTION_TAKES_NO_PROCESS_LOCK
      excluding[p]--; collecting[p] = 0;
#endif
#ifdef MOUNT
      collections++;
#endif
      turn++
    }
  od
}

/* verifyChunks() and ChunkStore.markBad(): digest 0 only, which may be rotten. */
proctype Verify(byte p) {
  if
  :: chunk[0] == ROT
  :: chunk[0] != ROT -> goto end
  fi;
#ifndef M_BAD_MARKING_WITHOUT_GATE
  atomic { !GATE(p, 0) -> GATE(p, 0) = 1 };
#endif
#ifndef M_BAD_MARKING_DOES_NOT_READ_AGAIN
  if
  :: chunk[0] != ROT -> goto open
  :: else
  fi;
#endif
#ifndef M_BAD_MARKING_ASKS_NO_PROCESS_LOCK
#ifdef M_BAD_MARKING_DOES_NOT_KEEP_THE_PROCESS_LOCK
  if
  :: collecting[p]
  :: atomic { !collecting[p] && MAY_EXCLUDE(p) }
  :: atomic { !collecting[p] && !MAY_EXCLUDE(p) -> goto open }
  fi;
#else
  if
  :: atomic { MAY_EXCLUDE(p) -> excluding[p]++ }
  :: atomic { !MAY_EXCLUDE(p) -> goto open }
  fi;
#endif
#endif
#if !defined(M_NO_POISON) && !defined(M_POISON_AFTER_THE_RENAME)
  atomic {
    condemned[p] = 1;
    if
    :: HAS(live, 0) && PROCESS(0) == p && HAS(relied[0], 0) -> failed[0] = 1
    :: else
    fi;
    if
    :: HAS(live, 1) && PROCESS(1) == p && HAS(relied[1], 0) -> failed[1] = 1
    :: else
    fi
  };
#endif
  atomic { assert(chunk[0] != GOOD); chunk[0] = ABSENT };
#ifdef M_POISON_AFTER_THE_RENAME
  atomic {
    if
    :: HAS(live, 0) && PROCESS(0) == p && HAS(relied[0], 0) -> failed[0] = 1
    :: else
    fi;
    if
    :: HAS(live, 1) && PROCESS(1) == p && HAS(relied[1], 0) -> failed[1] = 1
    :: else
    fi
  };
#endif
  condemned[p] = 0;
#if !defined(M_BAD_MARKING_ASKS_NO_PROCESS_LOCK) && !defined(M_BAD_MARKING_DOES_NOT_KEEP_THE_PROCESS_LOCK)
  excluding[p]--;
#endif
open:
#ifndef M_BAD_MARKING_WITHOUT_GATE
  GATE(p, 0) = 0;
#endif
end: skip
}

/* A namespace's mount goes and comes back. */
proctype Mount() {
  collections > 0;                       /* what was never seen cannot be missed */
  unmounted = 1;
  unmounted = 0
}

init {
  atomic {
    if                                   /* a base with one chunk or two; the rest is garbage or absent */
    :: refs[0] = 1
    :: refs[0] = 3
    fi;
    chunk[0] = GOOD;
    if
    :: chunk[1] = GOOD
    :: refs[0] == 1 -> chunk[1] = ABSENT
    fi;
#ifdef VERIFY
    if
    :: chunk[0] = ROT
    :: skip
    fi;
#endif
    visible[0] = 1; finished[0] = 1; place[0] = B;
    run Session(0, SLOT_1, 0);
#ifndef ONE_SESSION
    run Session(1, SLOT_2, GROUP_2);
#endif
#ifdef FORGET
    run Forget();
#endif
#ifdef MOVE
    run Move(0, PROCESS_2);
#endif
#ifdef JOURNAL
    run StockMove(0);
#endif
#ifdef VERIFY
    run Verify(0);
#if VERIFY == 2
    run Verify(0);
#endif
#endif
#ifdef MOUNT
    run Mount();
#endif
    run Collector(0, RUNS);
#if PROCESS_2 == 1
    run Collector(1, 1);
#endif
  }
}
