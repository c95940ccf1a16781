/*
 * What a power cut and a failed sync leave (races.md R-55, R-62, R-63): sync, manifest, doubt, and a collection's
 * first unlink. Two digests; sets of them are bit masks. One session and a collection before the cut, one session and a
 * collection after it. README.md names the function behind each step.
 *
 * What was written is in memory until a sync; a cut leaves of each such thing the old state or the new, and of a
 * chunk also a file of full size without its content.
 */

#define ABSENT 0
#define GOOD 1
#define ZERO 2            /* right name and size, nothing in it */
#define SNAPSHOTS 3
#ifdef SYNC_FAILS
#define RUNNING 2
#else
#define RUNNING 3
#endif
#define BIT(d) (1 << (d))
#define HAS(set, d) (((set) >> (d)) & 1)

/* What programs see. */
byte chunk[2];
byte refs[SNAPSHOTS];
bit visible[SNAPSHOTS];
bit finished[SNAPSHOTS];
/* What the disk has. */
byte diskChunk[2];
bit diskVisible[SNAPSHOTS];
bit diskFinished[SNAPSHOTS];
/* Pages that a failed sync dropped: memory shows them, no later sync writes them. */
bit lost[2];

bit cut;                  /* the power is gone: all that runs ends */
bit cutIsDone;
byte syncFailures;

/* In memory of the server. */
bit gate[2];
bit marking;
byte marks;
byte live;
byte relied[2];
byte failed;              /* writers that a failed sync has failed */
byte doubtful;            /* chunks not to be trusted unseen */
byte written;             /* chunks written since the last good sync */
bit rewrites;             /* what reads well may be in memory only */
bit group;
byte readers[SNAPSHOTS];
bit owned[SNAPSHOTS];
byte gone;                /* programs that ended or were cut off */

/* StoreSync.run(): all that was written before is on disk afterwards, or it fails. */
inline syncAll() {
  atomic {
    ok = 1;
#ifdef SYNC_FAILS
    if
    :: syncFailures == 0 && written ->
      syncFailures = 1; ok = 0;
      if
      :: HAS(written, 0) -> lost[0] = 1
      :: else
      fi;
      if
      :: HAS(written, 1) -> lost[1] = 1
      :: else
      fi;
#ifdef M_FAILED_SYNC_FAILS_ONE_SESSION
      failed = failed | BIT(w);
#else
      failed = failed | live;
#endif
#ifndef M_NO_DOUBT_AFTER_A_FAILED_SYNC
      doubtful = doubtful | written; rewrites = 1;
#endif
      written = 0
    :: skip
    fi;
#endif
    if
    :: ok ->
      if
      :: !lost[0] -> diskChunk[0] = chunk[0]
      :: else
      fi;
      if
      :: !lost[1] -> diskChunk[1] = chunk[1]
      :: else
      fi;
      for (s : 0 .. 2) { diskVisible[s] = visible[s]; diskFinished[s] = finished[s] }
      s = 0; written = 0
    :: else
    fi
  }
}

inline put(d) {
  atomic {
    chunk[d] = GOOD; lost[d] = 0;
    written = written | BIT(d); doubtful = doubtful & ~BIT(d)
  }
}

/* ChunkStore.insert(), FilesystemBackend.put(). */
inline upload(w, d) {
  atomic { !gate[d] -> gate[d] = 1 };
  atomic {
    if
    :: chunk[d] != ABSENT && !HAS(doubtful, d)
    :: HAS(doubtful, d) && chunk[d] == ZERO -> put(d); own = own | BIT(d)
    :: HAS(doubtful, d) && chunk[d] == GOOD ->
      if
#ifndef M_DOUBTFUL_CHUNKS_NOT_REWRITTEN
      :: rewrites -> put(d)
#endif
      :: else -> doubtful = doubtful & ~BIT(d)
      fi
    :: chunk[d] == ABSENT -> put(d); own = own | BIT(d)
    fi
  };
  atomic {
    relied[w] = relied[w] | BIT(d);
    if
    :: marking -> marks = marks | BIT(d)
    :: else
    fi;
    used = used | BIT(d);
    gate[d] = 0
  }
}

proctype Session(byte w; byte snapshot) {
  byte base = 0, used = 0, own = 0, known = 0, s = 0;
  bit ok = 0, hasBase = 0;
  {
    atomic {
#ifndef SYNC_FAILS
      !group -> group = 1;
#endif
      owned[snapshot] = 1; live = live | BIT(w);
      if
      :: w == 1 && finished[1] && !owned[1] -> base = 1; hasBase = 1
      :: !(w == 1 && finished[1]) && finished[0] && !owned[0] -> base = 0; hasBase = 1
      :: else
      fi;
      if
      :: hasBase -> readers[base]++; known = refs[base]; relied[w] = known;
        if
        :: marking -> marks = marks | known
        :: else
        fi
      :: else
      fi
    };
    if
    :: HAS(known, 0) -> used = used | 1
    :: upload(w, 0)
    :: skip
    fi;
    if
    :: HAS(known, 1) -> used = used | 2
    :: upload(w, 1)
    :: skip
    fi;
    known = 0;
    atomic { refs[snapshot] = used; visible[snapshot] = 1 };
#ifdef M_MANIFEST_BEFORE_SYNC
    finished[snapshot] = 1;
#endif
    /* checkBeforeFinish(): chunks that it did not write and that are in doubt are read; one that reads well is written again if it may be in memory only */
    atomic {
      if
      :: (HAS(used & ~own, 0) && chunk[0] != GOOD && (chunk[0] == ABSENT || HAS(doubtful, 0))) -> goto abort
      :: (HAS(used & ~own, 1) && chunk[1] != GOOD && (chunk[1] == ABSENT || HAS(doubtful, 1))) -> goto abort
      :: else
      fi;
#ifndef M_DOUBTFUL_CHUNKS_NOT_REWRITTEN
      if
      :: rewrites && HAS(used & ~own & doubtful, 0) -> put(0)
      :: else
      fi;
      if
      :: rewrites && HAS(used & ~own & doubtful, 1) -> put(1)
      :: else
      fi
#endif
    };
#ifndef M_NO_SYNC_BEFORE_THE_MANIFEST
    syncAll();
    if
    :: !ok -> goto abort
    :: else
    fi;
#endif
    atomic {
      if
      :: HAS(failed, w) -> goto abort
      :: else -> finished[snapshot] = 1
      fi
    };
    /* the name of the manifest is made durable, and only then is finish answered */
    atomic {
      if
      :: HAS(failed, w) -> goto abort
      :: else
      fi;
      diskFinished[snapshot] = 1; diskVisible[snapshot] = 1;
      goto end;
abort:
      finished[snapshot] = 0; visible[snapshot] = 0;
end:
      live = live & ~BIT(w); relied[w] = 0; owned[snapshot] = 0; failed = failed & ~BIT(w);
      if
      :: hasBase -> readers[base]--
      :: else
      fi;
      group = 0; base = 0; hasBase = 0; used = 0; own = 0; ok = 0
    };
    gone++
  } unless { atomic { cut -> gone++ } }
}

/* removeSnapshot(): the new name of the folder may not be on disk for long. */
proctype Forget() {
  {
    atomic {
      if
      :: finished[0] && readers[0] == 0 && !owned[0] -> finished[0] = 0; visible[0] = 0
      :: skip
      fi
    };
    gone++
  } unless { atomic { cut -> gone++ } }
}

inline read(s) {
  atomic {
    if
    :: visible[s] -> marks = marks | refs[s]
    :: else
    fi
  }
}

inline sweepOne(d) {
  atomic {
    if
    :: chunk[d] != ABSENT && !HAS(marks, d) && !gate[d] ->
      chunk[d] = ABSENT; doubtful = doubtful & ~BIT(d); written = written & ~BIT(d)
    :: else
    fi
  }
}

proctype Collector() {
  byte w = 7, s = 0;
  bit ok = 0;
  {
    atomic { marking = 1; marks = relied[0] | relied[1] };
    read(2);
    read(1);
    read(0);
#ifdef M_NO_SYNC_BEFORE_THE_SWEEP
    ok = 1;
#else
    syncAll();                           /* what nobody refers to any more is gone for good */
#endif
    if
    :: ok -> sweepOne(0); sweepOne(1)
    :: else
    fi;
    atomic { marking = 0; marks = 0 };
    gone++
  } unless { atomic { cut -> gone++ } }
}

inline settleChunk(d) {
  if
  :: chunk[d] == diskChunk[d]
  :: chunk[d] != diskChunk[d] -> chunk[d] = diskChunk[d]
  :: chunk[d] == GOOD && diskChunk[d] != GOOD && !lost[d]   /* it got there */
  :: chunk[d] == GOOD && diskChunk[d] != GOOD -> chunk[d] = ZERO
  :: chunk[d] == ABSENT                                     /* the unlink got there */
  fi;
  diskChunk[d] = chunk[d];
  lost[d] = 0
}

inline settleName(name, disk) {
  if
  :: name = disk
  :: disk = name
  fi
}

/* A removal is one rename, of the folder; index and manifest of a session get their names one after the other. */
inline settleSnapshot(s) {
  if
  :: diskFinished[s] && !visible[s] ->
    if
    :: diskFinished[s] = 0; diskVisible[s] = 0
    :: finished[s] = 1; visible[s] = 1
    fi
  :: else -> settleName(visible[s], diskVisible[s]); settleName(finished[s], diskFinished[s])
  fi
}

/* The cut, and what the next start does before it lets anybody in. */
proctype Power() {
  byte s, doubtBefore;
  atomic {
    cut = 1;
    doubtBefore = written | doubtful | (chunk[0] != diskChunk[0] || lost[0] -> 1 : 0) | (chunk[1] != diskChunk[1] || lost[1] -> 2 : 0);
    settleChunk(0);
    settleChunk(1);
    for (s : 0 .. 2) { settleSnapshot(s) };
    /* I23: what is listed as finished has its index and its chunks */
    for (s : 0 .. 2) {
      assert(!finished[s] || visible[s]);
      assert(!(finished[s] && HAS(refs[s], 0)) || chunk[0] == GOOD);
      assert(!(finished[s] && HAS(refs[s], 1)) || chunk[1] == GOOD)
    };
    gate[0] = 0; gate[1] = 0; marking = 0; marks = 0; live = 0; relied[0] = 0; relied[1] = 0;
    failed = 0; written = 0; rewrites = 0; group = 0;
    for (s : 0 .. 2) { readers[s] = 0; owned[s] = 0 };
#ifndef M_NO_DOUBT_AFTER_THE_CUT
    doubtful = doubtBefore;
#else
    doubtful = 0;
#endif
    doubtBefore = 0
  };
  gone == RUNNING;
  atomic {                               /* recoverJournalled(): our own unfinished snapshots go */
    for (s : 0 .. 2) {
      if
      :: visible[s] && !finished[s] -> visible[s] = 0; diskVisible[s] = 0
      :: else
      fi
    };
    s = 0;
    cut = 0; cutIsDone = 1
  }
}

/* Whatever runs after the cut; at its end every finished snapshot is whole. */
proctype After() {
  byte s;
  cutIsDone;
  run Session(1, 2);
  run Collector();
  gone == RUNNING + 2;
  for (s : 0 .. 2) {
    assert(!(finished[s] && HAS(refs[s], 0)) || chunk[0] == GOOD);
    assert(!(finished[s] && HAS(refs[s], 1)) || chunk[1] == GOOD)
  }
}

init {
  atomic {
    if
    :: refs[0] = 1
    :: refs[0] = 3
    fi;
    chunk[0] = GOOD; diskChunk[0] = GOOD;
    if
    :: chunk[1] = GOOD; diskChunk[1] = GOOD
    :: refs[0] == 1
    fi;
    visible[0] = 1; diskVisible[0] = 1; finished[0] = 1; diskFinished[0] = 1;
    run Session(0, 1);
#ifdef SYNC_FAILS
    run Session(1, 2);
    run Power()
#else
    run Forget();
    run Collector();
    run Power();
    run After()
#endif
  }
}
