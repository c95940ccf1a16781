/*
 * Deletes in a bucket (races.md R-25, R-34, R-60, R-65, R-67): one digest, two sessions that upload it, two collections,
 * a rebuild of the ledger, and requests that the store executes long after they were given up. README.md names the
 * function behind each step.
 *
 * Time is what makes a suspect harmless: a DELETE lives for a while after it was sent and is then executed or dead. So
 * "its time is over" is "none is on its way any more".
 */

#ifndef RUNS
#define RUNS 2
#endif

bit object;               /* in the bucket */
byte late;                /* DELETE requests that may still be executed */
bit knows;                /* an entry of the ledger */
bit suspect;              /* durable, as the ledger */
bit condemnedSince;       /* condemned since the rebuild began */
bit gate;
bit collecting;               /* a collection runs */
bit marked;
bit live[2];
bit reg[2];               /* registered by a live session */
bit visible[2];           /* its finished snapshot names the digest */
byte generation;          /* of the process: a kill ends all that runs */

#define NEEDED (visible[0] || visible[1])

/* The object goes, by whoever's request. */
inline removeObject() {
  object = 0;
  assert(!NEEDED);
}

/* The store, and what it was sent. */
active proctype Late() {
end:
  do
  :: atomic { late > 0 -> late--; removeObject() }
  :: atomic { late > 0 -> late-- }
  od
}

#define DEAD (mine != generation)

inline takeGate() {
  atomic { !gate || DEAD -> if :: DEAD -> goto dead :: else -> gate = 1 fi }
}

/* Another step of somebody who was not killed. */
#define GO_ON if :: DEAD -> goto dead :: else fi

proctype Session(byte id) {
  byte mine = generation;
  bit provisional;

  live[id] = 1;
  /* ChunkStore.insert(), S3Backend.put() */
  takeGate();
  if
  :: knows
  :: else ->
#ifndef M_SUSPECT_IS_FINAL
    provisional = suspect;
#endif
#ifdef M_ENTRY_OF_THE_REQUEST
    atomic { GO_ON; if :: !provisional -> knows = 1 :: else fi };
#endif
    if
    :: true; atomic { GO_ON; object = 1 }                 /* 200, or 412 */
    :: true; atomic { GO_ON; object = 1; goto failed }    /* answer lost */
    :: true; atomic { GO_ON; goto failed }
    fi;
    atomic { GO_ON; if :: !provisional -> knows = 1 :: else fi }
  fi;
#ifdef M_REGISTER_AFTER_GATE
  atomic { GO_ON; gate = 0 };
#endif
  atomic {
    GO_ON;
    reg[id] = 1;
    if :: collecting -> marked = 1 :: else fi
  };
#ifndef M_REGISTER_AFTER_GATE
  atomic { GO_ON; gate = 0 };
#endif
#ifndef M_FINISH_DOES_NOT_SETTLE
  /* ChunkStore.settle() */
  if
  :: provisional ->
    (late == 0 || DEAD);
    takeGate();
    (late == 0 || DEAD);
    atomic { GO_ON; object = 1; suspect = 0; knows = 1; gate = 0 }
  :: else
  fi;
#endif
  atomic {
    GO_ON;
    assert(object);
    visible[id] = 1; live[id] = 0; reg[id] = 0
  };
  /* forget */
  if
  :: visible[id] = 0
  :: true
  fi;
  goto dead;
failed:
  atomic { GO_ON; live[id] = 0; gate = 0 };
dead:
  skip
}

/* deleteCondemned() with what comes before it in the sweep. */
proctype Collector() {
  byte mine = generation;
  byte count;
  bit inDoubt;
  bit isHeld;

  do
  :: count < RUNS ->
    atomic {
      GO_ON;
      collecting = 1; marked = 0; isHeld = 0;
      if :: reg[0] || reg[1] -> marked = 1 :: else fi
    };
    atomic { GO_ON; if :: NEEDED -> marked = 1 :: else fi };
    /* The ledger forgets what the list does not show, unless somebody is at it. */
    atomic { GO_ON; if :: !object && !gate -> knows = 0 :: else fi };
    if
    :: object && !marked ->
#ifdef M_NO_SECOND_LOOK
      takeGate();
      isHeld = 1;
#else
      atomic { GO_ON; if :: gate || marked :: else -> gate = 1; isHeld = 1 fi };
#endif
    :: else
    fi;
    if
    :: isHeld ->
      inDoubt = suspect;
#ifndef M_CONDEMNED_AFTER
      atomic { GO_ON; knows = 0; suspect = 1; condemnedSince = 1 };
#endif
#ifdef M_GATE_OPENS_BEFORE_THE_DELETE
      atomic { GO_ON; gate = 0 };
#endif
      if
      :: true; atomic {                                   /* confirmed by name */
           GO_ON; removeObject();
#ifdef M_IN_DOUBT_IS_FORGOTTEN
           inDoubt = 0
#endif
         }
      :: true; atomic { GO_ON; late++; inDoubt = 1 }      /* no answer: it may come */
      :: true; atomic { GO_ON; removeObject(); inDoubt = 1 }
      :: true; atomic {                                   /* repeated, confirmed: the first may still come */
           GO_ON; removeObject(); late++;
#ifndef M_LATE_IS_FORGOTTEN
           inDoubt = 1
#endif
         }
      fi;
#ifdef M_CONDEMNED_AFTER
      atomic { GO_ON; knows = 0; suspect = 1; condemnedSince = 1 };
#endif
      atomic { GO_ON; if :: !inDoubt -> suspect = 0 :: else fi };
#ifndef M_GATE_OPENS_BEFORE_THE_DELETE
      atomic { GO_ON; gate = 0 };
#endif
    :: else
    fi;
    /* acquitExpired() */
    atomic { GO_ON; if :: suspect && late == 0 && !gate -> suspect = 0 :: else fi };
    atomic { GO_ON; collecting = 0 };
    count++
  :: else -> break
  od;
dead:
  skip
}

/* rebuildLedger(), and what the sweep learns from its list. */
proctype Rebuild() {
  byte mine = generation;
  bit seen;

  atomic { condemnedSince = 0; seen = object && !suspect };
  atomic {
    GO_ON;
    if
#ifdef M_LISTED_IS_ADDED_UNSEEN
    :: seen -> knows = 1
#else
    :: seen && !suspect && !condemnedSince -> knows = 1
#endif
    :: else
    fi
  };
dead:
  skip
}

init {
  atomic {
    object = 1; knows = 1;
    run Session(0);
#ifndef KILL
    run Session(1); run Rebuild();
#endif
    run Collector()
  };
#ifdef KILL
  /* kill -9: what was sent lives on, what is durable stays. */
  atomic {
    generation = 1; gate = 0; collecting = 0; marked = 0;
    live[0] = 0; reg[0] = 0;
    run Session(1); run Collector()
  }
#endif
}
