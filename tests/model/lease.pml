/* The budget rules as a spin model: what tests/model/check.c does not cover. Several budgets over
 * one call, extension that moves a hold to another lease, limits that change, windows that roll
 * over, recall, crashes with and without a journal. docs/budgets-proof.md says what is bounded and
 * why the abstractions below lose no behaviour.
 *
 * The network has no queue for grants: `granted` only grows, so a holder may learn any value up to
 * the ledger's, late, twice, or never. A report is either fresh or the one that is under way
 * (`late`), which may be delivered again and again, or be lost by being replaced. A recall is a
 * return of idle parts at any time, asked for or not.
 *
 * Each mistake is an #ifdef; tests/model/spin.sh knows which invariant must catch it. */

#ifndef HOLDERS /* 1 or 2 */
#define HOLDERS 2
#endif
#ifndef BUDGETS
#define BUDGETS 1
#endif
#ifndef WINDOWS /* that a budget lives through */
#define WINDOWS 1
#endif
#ifndef LEASES /* made in a whole history */
#define LEASES 3
#endif
#ifndef CALLS /* at once */
#define CALLS 2
#endif
#ifndef GRANTED_MAX /* on one lease */
#define GRANTED_MAX 2
#endif
#ifndef LIMIT
#define LIMIT 2
#endif
#ifndef LAST_LIMIT /* of the last budget of a call */
#define LAST_LIMIT LIMIT
#endif
#ifndef LIMIT_CHANGES
#define LIMIT_CHANGES 0
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef EXTENSIONS
#define EXTENSIONS 0
#endif
#ifndef BREACHES
#define BREACHES 0
#endif

/* What the holder makes of a lease. DEAD: granted to an incarnation that died before it heard of
 * it. STRANDED: nobody knows any more what was spent under it. */
#define UNKNOWN 0
#define OPEN 1
#define ENDED 2
#define FINAL 3
#define FORGOTTEN 4
#define DEAD 5
#define STRANDED 6

typedef lease_t {
  byte owner;  /* holder + 1; 0: not made yet */
  byte window;
  bit old;     /* of an earlier incarnation */
  byte granted, returned, settled; /* the ledger's row */
  bit closed;
  byte st;
  byte lgranted, lreturned, lsettled, held; /* the holder's; its journal says the same */
  byte truth;  /* what calls cost that were made under it */
  byte book;   /* usage records of it, and what crashes were charged */
  byte over;   /* what providers billed past holds */
#ifdef RESUME_ROLLED_BACK
  byte jgranted, jreturned, jsettled;
#endif
#ifdef SEND_BEFORE_DURABLE
  byte durable, sent;
#endif
};

typedef call_t {
  byte owner;       /* holder + 1; 0: free */
  byte amount;      /* held under each budget */
  byte on[BUDGETS]; /* lease + 1; 0: not under this budget */
};

typedef report_t { byte about, returned, settled; bit final; };

lease_t L[LEASES];
call_t C[CALLS];
report_t late; /* lease 0: none */
byte now[BUDGETS]; /* the window that lends */
byte limit[BUDGETS];
byte cap[BUDGETS * WINDOWS]; /* max(limit, what was out at the last decrease) */
byte closed_settled[BUDGETS * WINDOWS];
byte committed[BUDGETS * WINDOWS];
byte crashes, limit_changes, extensions, breaches;
bit finished;

/* Scratch, of no meaning between steps. */
hidden byte i, k, b, w, m, cost, more, before, used, sum, over_sum, found, other;
hidden byte a_closed_settled, a_committed, a_returned, a_settled;
hidden byte fits, rolled_back, i1_spent_beyond_limit, i2_lease_beyond_grant, i3_lent_beyond_limit;
hidden byte i4_not_monotone, i4_twice_is_not_once, i5_closed_below_true_usage;
hidden byte i6_records_differ_from_settled, i7_committed_after_drain, i8_denied_call_costs;

#define MAX(a, b) ((a) > (b) -> (a) : (b))
#define FREE(l) (L[l].lgranted - L[l].lreturned - L[l].lsettled - L[l].held)
#define COMMITMENT(l) MAX(L[l].granted - L[l].returned, L[l].settled)
#define BUDGET_OF(l) (L[l].window / WINDOWS)
#define LIVE(l) (L[l].st == OPEN || L[l].st == ENDED)

#ifdef HOLD_IGNORES_SETTLED
#define ROOM(l) (L[l].lgranted - L[l].lreturned - L[l].held)
#else
#define ROOM(l) FREE(l)
#endif

/* ---- invariants, after every step ---- */

inline invariants()
{
  i = 0;
  do
  :: i < LEASES ->
     i2_lease_beyond_grant = LIVE(i) &&
       L[i].lsettled + L[i].held > L[i].lgranted - L[i].lreturned + L[i].over;
     assert(!i2_lease_beyond_grant);
     i5_closed_below_true_usage = L[i].closed && L[i].settled < L[i].truth + (LIVE(i) -> L[i].held : 0);
     assert(!i5_closed_below_true_usage);
     i6_records_differ_from_settled =
       (LIVE(i) && L[i].lsettled != L[i].book) ||
       (L[i].closed && L[i].st == FINAL && L[i].settled != L[i].book);
     assert(!i6_records_differ_from_settled);
     sum = 0; k = 0;
     do
     :: k < CALLS ->
        b = 0;
        do
        :: b < BUDGETS -> sum = sum + (C[k].on[b] == i + 1 -> C[k].amount : 0); b++
        :: else -> break
        od;
        k++
     :: else -> break
     od;
     i8_denied_call_costs = LIVE(i) && L[i].held != sum;
     assert(!i8_denied_call_costs);
     i++
  :: else -> break
  od;
  w = 0;
  do
  :: w < BUDGETS * WINDOWS ->
     used = 0; sum = 0; over_sum = 0; i = 0;
     do
     :: i < LEASES ->
        if
        :: L[i].owner != 0 && L[i].window == w ->
           used = used + L[i].truth + (LIVE(i) -> L[i].held : 0);
           over_sum = over_sum + L[i].over;
           sum = sum + (L[i].closed -> 0 : COMMITMENT(i))
        :: else
        fi;
        i++
     :: else -> break
     od;
     i1_spent_beyond_limit = used > cap[w] + over_sum;
     assert(!i1_spent_beyond_limit);
     i3_lent_beyond_limit =
       closed_settled[w] + committed[w] > cap[w] + over_sum || sum != committed[w];
     assert(!i3_lent_beyond_limit);
     w++
  :: else -> break
  od;
  i = 0 /* a step must not end with a loop */
}

/* ---- the ledger ---- */

inline all_durable()
{
#ifdef SEND_BEFORE_DURABLE
  i = 0;
  do
  :: i < LEASES -> L[i].durable = L[i].granted; i++
  :: else -> break
  od
#else
  skip
#endif
}

/* One more unit on lease l, whose window is w. */
inline lend(l)
{
  before = COMMITMENT(l);
  L[l].granted++;
  committed[w] = committed[w] + COMMITMENT(l) - before;
#ifdef SEND_BEFORE_DURABLE
  L[l].sent = MAX(L[l].sent, L[l].granted)
#endif
}

#ifdef DECREASE_IGNORES_COMMITTED
#define REMAINS(w) (limit[(w) / WINDOWS] - closed_settled[w] - (limit_changes > 0 -> 0 : committed[w]) > 0)
#else
#define REMAINS(w) (closed_settled[w] + committed[w] < limit[(w) / WINDOWS])
#endif

inline close_row(l)
{
  committed[w] = committed[w] - COMMITMENT(l);
  closed_settled[w] = closed_settled[w] + L[l].settled;
  L[l].closed = 1
}

/* What a report does to the ledger: once. */
inline merge(l, new_ret, new_set, last)
{
  w = L[l].window;
  rolled_back = new_set < L[l].settled || new_ret < L[l].returned;
  more = (new_set > L[l].settled -> new_set - L[l].settled : 0);
  if
  :: new_ret > L[l].granted /* makes no sense */
  :: else ->
     if
     :: L[l].closed -> /* what was spent under it counts all the same */
        L[l].settled = L[l].settled + more;
        closed_settled[w] = closed_settled[w] + more
     :: else ->
        before = COMMITMENT(l);
#ifdef LAST_WRITE_WINS
        L[l].settled = new_set;
        L[l].returned = new_ret;
        rolled_back = 0;
#else
        L[l].settled = L[l].settled + more;
        L[l].returned = MAX(L[l].returned, new_ret);
#endif
#ifdef RETURN_COUNTED_TWICE
        committed[w] = committed[w] - (new_ret < committed[w] -> new_ret : committed[w]);
#else
        committed[w] = committed[w] + COMMITMENT(l) - before;
#endif
        if
        :: last && !rolled_back -> close_row(l)
        :: else
        fi
     fi
  fi
}

inline deliver(l, new_ret, new_set, last)
{
  a_returned = L[l].returned;
  a_settled = L[l].settled;
  merge(l, new_ret, new_set, last);
  i4_not_monotone = L[l].returned < a_returned || L[l].settled < a_settled;
  assert(!i4_not_monotone);
  a_returned = L[l].returned;
  a_settled = L[l].settled;
  a_committed = committed[w];
  a_closed_settled = closed_settled[w];
  merge(l, new_ret, new_set, last);
  i4_twice_is_not_once = L[l].returned != a_returned || L[l].settled != a_settled ||
    committed[w] != a_committed || closed_settled[w] != a_closed_settled;
  assert(!i4_twice_is_not_once);
  all_durable()
}

/* found: the lease that holder h has now for budget bb, + 1; 0: none. */
inline find_current(h, bb)
{
  found = 0; i = 0;
  do
  :: i < LEASES ->
     if
     :: L[i].owner == h + 1 && !L[i].old && L[i].st == OPEN && BUDGET_OF(i) == bb -> found = i + 1
     :: else
     fi;
     i++
  :: else -> break
  od
}

/* found: the open row of this incarnation in budget bb's window, + 1, or that of a new one; 0:
 * neither. */
inline find_row(h, bb)
{
  found = 0; i = 0;
  do
  :: i < LEASES ->
     if
     :: L[i].owner == h + 1 && !L[i].old && !L[i].closed && L[i].window == bb * WINDOWS + now[bb] ->
        found = i + 1; break
     :: L[i].owner == 0 -> found = i + 1; break
     :: else
     fi;
     i++
  :: else -> break
  od
}

proctype ledger(byte h; byte bb)
{
  do
  :: d_step { !finished && REMAINS(bb * WINDOWS + now[bb]) ->
       find_row(h, bb);
       w = bb * WINDOWS + now[bb];
       if
       :: found != 0 && L[found - 1].granted < GRANTED_MAX ->
          L[found - 1].owner = h + 1;
          L[found - 1].window = w;
          lend(found - 1)
       :: else
       fi;
       found = 0;
       invariants()
     }
  od
}

#if WINDOWS > 1 || LIMIT_CHANGES > 0
proctype policy(byte bb)
{
  do
#if WINDOWS > 1
  :: d_step { !finished && now[bb] < WINDOWS - 1 ->
#ifdef ROLL_DROPS_LEASES
       k = 0;
       do
       :: k < LEASES ->
          if
          :: L[k].owner != 0 && !L[k].closed && L[k].window == bb * WINDOWS + now[bb] ->
             w = L[k].window;
             close_row(k)
          :: else
          fi;
          k++
       :: else -> break
       od;
#endif
       now[bb]++;
       cap[bb * WINDOWS + now[bb]] = limit[bb];
       invariants()
     }
#endif
#if LIMIT_CHANGES > 0
  :: d_step { !finished && limit_changes < LIMIT_CHANGES && limit[bb] > 0 ->
       limit_changes++;
       limit[bb]--;
       w = bb * WINDOWS + now[bb];
       cap[w] = MAX(limit[bb], closed_settled[w] + committed[w]);
       invariants()
     }
  :: d_step { !finished && limit_changes < LIMIT_CHANGES && limit[bb] <= LIMIT ->
       limit_changes++;
       limit[bb]++;
       w = bb * WINDOWS + now[bb];
       cap[w] = MAX(limit[bb], cap[w]);
       invariants()
     }
#endif
  od
}
#endif

/* ---- a holder and one lease ---- */

inline return_idle(l)
{
#ifdef RETURN_OPEN_HOLDS
  L[l].lreturned = L[l].lgranted - L[l].lsettled
#else
  L[l].lreturned = L[l].lreturned + (FREE(l) > 0 -> FREE(l) : 0)
#endif
}

inline final_if_idle(l)
{
  if
  :: L[l].st == ENDED && L[l].held == 0 -> L[l].st = FINAL
  :: else
  fi
}

inline retire(l)
{
  L[l].st = ENDED;
  return_idle(l);
  final_if_idle(l)
}

#ifdef SEND_BEFORE_DURABLE
#define SENT(l) L[l].sent
#else
#define SENT(l) L[l].granted
#endif

/* A grant arrives. An older lease than the current one is declined, a newer one replaces it. */
inline learn(l, value)
{
  if
  :: L[l].st == UNKNOWN ->
     find_current(L[l].owner - 1, BUDGET_OF(l));
     if
     :: found > l + 1 -> L[l].st = FINAL
     :: else ->
        if
        :: found != 0 -> found--; retire(found)
        :: else
        fi;
        L[l].st = OPEN;
        L[l].lgranted = value
     fi;
     found = 0
  :: LIVE(l) -> L[l].lgranted = MAX(L[l].lgranted, value)
  :: else
  fi
}

proctype around(byte l)
{
  do
  /* granted, wholly or in part known */
  :: d_step { !finished && !L[l].old && (L[l].st <= ENDED) && SENT(l) > L[l].lgranted ->
       learn(l, SENT(l)); invariants() }
  :: d_step { !finished && !L[l].old && (L[l].st <= ENDED) && SENT(l) > L[l].lgranted + 1 ->
       learn(l, L[l].lgranted + 1); invariants() }
  /* an older one than one that was forgotten is declined */
  :: d_step { !finished && !L[l].old && L[l].owner != 0 && L[l].st == UNKNOWN -> L[l].st = FINAL; invariants() }
  /* recalled: in part, or for good */
  :: d_step { !finished && LIVE(l) -> return_idle(l); invariants() }
  :: d_step { !finished && L[l].st == OPEN -> retire(l); invariants() }
  /* reports */
  :: d_step { !finished && (LIVE(l) || L[l].st == FINAL) ->
       deliver(l, L[l].lreturned, L[l].lsettled, L[l].st == FINAL); invariants() }
  :: d_step { !finished && (LIVE(l) || L[l].st == FINAL) && !L[l].closed &&
              (L[l].lreturned + L[l].lsettled > 0 || L[l].st == FINAL) ->
       late.about = l + 1;
       late.returned = L[l].lreturned;
       late.settled = L[l].lsettled;
       late.final = L[l].st == FINAL }
  :: d_step { !finished && late.about == l + 1 ->
       deliver(l, late.returned, late.settled, late.final);
       if /* from now on it changes nothing */
       :: L[l].closed -> late.about = 0; late.returned = 0; late.settled = 0; late.final = 0
       :: else
       fi;
       invariants() }
  /* confirmed; the floor keeps a late grant from bringing it back */
  :: d_step { !finished && L[l].st == FINAL && L[l].closed -> L[l].st = FORGOTTEN; invariants() }
#ifdef REVIVES_FORGOTTEN
  :: d_step { !finished && L[l].st == FORGOTTEN && !L[l].old ->
       L[l].st = OPEN; L[l].lreturned = 0; L[l].lsettled = 0; L[l].book = 0; invariants() }
#endif
  /* hello of the next start: what its journal does not know was never used */
#ifdef GONE_WITHOUT_JOURNAL
  :: d_step { !finished && (L[l].st == DEAD || L[l].st == STRANDED) && !L[l].closed ->
#else
  :: d_step { !finished && L[l].st == DEAD && !L[l].closed ->
#endif
       w = L[l].window; close_row(l); L[l].st = FORGOTTEN; all_durable(); invariants() }
#ifdef RECLAIM_WITHOUT_FINAL
  :: d_step { !finished && L[l].owner != 0 && !L[l].closed ->
       w = L[l].window; close_row(l); invariants() }
#endif
#ifdef SEND_BEFORE_DURABLE
  :: d_step { !finished && L[l].granted > L[l].durable && !L[l].closed ->
       w = L[l].window;
       before = COMMITMENT(l);
       L[l].granted = L[l].durable;
       committed[w] = committed[w] + COMMITMENT(l) - before;
       invariants() }
#endif
#ifdef RESUME_ROLLED_BACK
  :: d_step { !finished && LIVE(l) ->
       L[l].jgranted = L[l].lgranted; L[l].jreturned = L[l].lreturned; L[l].jsettled = L[l].lsettled }
#endif
  od
}

/* ---- calls ---- */

/* Under the budgets from `first` on: every part or none. */
inline admit(c, h, first)
{
  fits = 1; b = first; C[c].amount = 1;
  do
  :: b < BUDGETS && fits ->
     find_current(h, b);
     if
     :: found != 0 && ROOM(found - 1) >= 1 ->
        found--; L[found].held++; C[c].on[b] = found + 1; b++
     :: else -> fits = 0
     fi
  :: else -> break
  od;
  if
  :: fits -> C[c].owner = h + 1
  :: else -> /* refused: put back */
     b = 0; C[c].amount = 0;
     do
     :: b < BUDGETS ->
        if
        :: C[c].on[b] != 0 ->
#ifndef KEEPS_REFUSED_PART
           found = C[c].on[b] - 1; L[found].held--;
#endif
           C[c].on[b] = 0
        :: else
        fi;
        b++
     :: else -> break
     od
  fi;
  found = 0
}

inline settle(c, actual)
{
  b = 0;
  do
  :: b < BUDGETS ->
     if
     :: C[c].on[b] != 0 ->
        found = C[c].on[b] - 1;
        L[found].held = L[found].held - C[c].amount;
#ifdef SETTLED_UP_TO_THE_HOLD
        L[found].lsettled = L[found].lsettled + (actual > C[c].amount -> C[c].amount : actual);
#else
        L[found].lsettled = L[found].lsettled + actual;
#endif
        L[found].book = L[found].book + actual;
        L[found].truth = L[found].truth + actual;
        L[found].over = L[found].over + (actual > C[c].amount -> actual - C[c].amount : 0);
        final_if_idle(found);
        C[c].on[b] = 0
     :: else
     fi;
     b++
  :: else -> break
  od;
  C[c].owner = 0; C[c].amount = 0; found = 0
}

#if EXTENSIONS > 0
/* Holds 1 more under each budget, all or none. A hold whose lease takes no more moves as a whole.
 * cut: killed between the two entries of the last move in the journal. */
inline extend(c, cut)
{
  fits = 1; b = 0; other = 0;
  do
  :: b < BUDGETS ->
     if
     :: C[c].on[b] != 0 ->
        find_current(C[c].owner - 1, b);
        if
        :: found != 0 && ROOM(found - 1) >= 1 + (found == C[c].on[b] -> 0 : C[c].amount)
        :: else -> fits = 0
        fi;
        other = (found != C[c].on[b] -> 1 : other)
     :: else
     fi;
     b++
  :: else -> break
  od;
  b = 0;
  do
  :: b < BUDGETS && fits && (!cut || other) ->
     if
     :: C[c].on[b] != 0 ->
        find_current(C[c].owner - 1, b);
        m = C[c].on[b] - 1;
        found--;
#ifdef MOVE_LEAVES_FIRST
        L[m].held = L[m].held - C[c].amount;
        L[found].held = L[found].held + (cut && m != found -> 0 : C[c].amount + 1);
#else
        L[found].held = L[found].held + C[c].amount + 1;
        L[m].held = L[m].held - (cut && m != found -> 0 : C[c].amount);
#endif
        if
        :: !cut -> final_if_idle(m); C[c].on[b] = found + 1
        :: else
        fi
     :: else
     fi;
     b++
  :: else -> break
  od;
  if
  :: fits && !cut -> C[c].amount++
  :: else
  fi;
  found = 0; m = 0
}
#endif

proctype call(byte c)
{
  do
  :: d_step { !finished && C[c].owner == 0 -> admit(c, 0, 0); invariants() }
#if HOLDERS > 1
  :: d_step { !finished && C[c].owner == 0 -> admit(c, 1, 0); invariants() }
#endif
#if BUDGETS > 1
  :: d_step { !finished && C[c].owner == 0 -> admit(c, 0, 1); invariants() }
#if HOLDERS > 1
  :: d_step { !finished && C[c].owner == 0 -> admit(c, 1, 1); invariants() }
#endif
#endif
  :: d_step { !finished && C[c].owner != 0 -> settle(c, 0); invariants() }
  :: d_step { !finished && C[c].owner != 0 -> cost = C[c].amount; settle(c, cost); invariants() }
#if BREACHES > 0
  :: d_step { !finished && C[c].owner != 0 && breaches < BREACHES ->
       breaches++; cost = C[c].amount + 1; settle(c, cost); invariants() }
#endif
#if EXTENSIONS > 0
  :: d_step { !finished && C[c].owner != 0 && extensions < EXTENSIONS ->
       extensions++; extend(c, 0); invariants() }
#endif
  od
}

/* ---- a holder as a whole ---- */

#if CRASHES > 0
/* Open calls cost all or nothing; the next start knows the journal, or has lost it. */
inline crash(h, costs, journal)
{
  k = 0;
  do
  :: k < CALLS ->
     if
     :: C[k].owner == h + 1 ->
        b = 0;
        do
        :: b < BUDGETS ->
           if
           :: C[k].on[b] != 0 ->
              found = C[k].on[b] - 1;
              L[found].truth = L[found].truth + (costs -> C[k].amount : 0);
              C[k].on[b] = 0
           :: else
           fi;
           b++
        :: else -> break
        od;
        C[k].owner = 0; C[k].amount = 0
     :: else
     fi;
     k++
  :: else -> break
  od;
  k = 0;
  do
  :: k < LEASES ->
     if
     :: L[k].owner != h + 1 || L[k].st == FORGOTTEN
     :: L[k].owner == h + 1 && (L[k].st == UNKNOWN || L[k].st == DEAD) ->
        L[k].st = (journal -> DEAD : STRANDED)
     :: L[k].owner == h + 1 && L[k].st == FINAL -> L[k].st = (journal -> FINAL : STRANDED)
     :: L[k].owner == h + 1 && LIVE(k) ->
#ifdef RESUME_ROLLED_BACK
        L[k].lgranted = L[k].jgranted;
        L[k].lreturned = L[k].jreturned;
        L[k].lsettled = L[k].jsettled;
        L[k].book = L[k].jsettled;
        L[k].held = 0;
#else
#ifndef REFUND_AFTER_CRASH
        L[k].lsettled = L[k].lsettled + L[k].held;
        L[k].book = L[k].book + L[k].held;
#endif
        L[k].held = 0;
        L[k].st = (journal -> FINAL : STRANDED)
#endif
     :: else
     fi;
#ifndef RESUME_ROLLED_BACK
     L[k].old = (L[k].owner == h + 1 -> 1 : L[k].old);
#endif
     k++
  :: else -> break
  od;
  found = 0
}

proctype holder(byte h)
{
  do
  :: d_step { !finished && crashes < CRASHES -> crashes++; crash(h, 0, 0); invariants() }
  :: d_step { !finished && crashes < CRASHES -> crashes++; crash(h, 0, 1); invariants() }
  :: d_step { !finished && crashes < CRASHES -> crashes++; crash(h, 1, 0); invariants() }
  :: d_step { !finished && crashes < CRASHES -> crashes++; crash(h, 1, 1); invariants() }
#if EXTENSIONS > 0
  :: d_step { !finished && crashes < CRASHES && extensions < EXTENSIONS && C[0].owner == h + 1 ->
       crashes++; extensions++; extend(0, 1); crash(h, 1, 1); invariants() }
#endif
  od
}
#endif

/* From any state: the network heals, calls end, holders stop gracefully. Nothing may remain. */
inline drain()
{
  k = 0;
  do
  :: k < CALLS ->
     if
     :: C[k].owner != 0 -> settle(k, 0)
     :: else
     fi;
     k++
  :: else -> break
  od;
  k = 0; fits = 1;
  do
  :: k < LEASES ->
     if
     :: L[k].owner == 0
     :: L[k].owner != 0 && L[k].st == STRANDED -> fits = 0
     :: L[k].owner != 0 && L[k].st == DEAD -> w = L[k].window; close_row(k); L[k].st = FORGOTTEN
     :: L[k].owner != 0 && (L[k].st == UNKNOWN || LIVE(k) || L[k].st == FINAL) ->
        if
        :: L[k].st == OPEN -> retire(k)
        :: L[k].st == UNKNOWN -> L[k].st = FINAL
        :: else
        fi;
        deliver(k, L[k].lreturned, L[k].lsettled, 1)
     :: else
     fi;
     k++
  :: else -> break
  od;
  w = 0; sum = 0;
  do
  :: w < BUDGETS * WINDOWS -> sum = sum + committed[w]; w++
  :: else -> break
  od;
  i7_committed_after_drain = fits && sum != 0;
  assert(!i7_committed_after_drain)
}

/* Every end looks the same: only the assertions of it matter. */
inline forget_everything()
{
  k = 0;
  do
  :: k < LEASES ->
     L[k].owner = 0; L[k].window = 0; L[k].old = 0; L[k].granted = 0; L[k].returned = 0;
     L[k].settled = 0; L[k].closed = 0; L[k].st = 0; L[k].lgranted = 0; L[k].lreturned = 0;
     L[k].lsettled = 0; L[k].held = 0; L[k].truth = 0; L[k].book = 0; L[k].over = 0;
     k++
  :: else -> break
  od;
  w = 0;
  do
  :: w < BUDGETS * WINDOWS -> cap[w] = 0; closed_settled[w] = 0; committed[w] = 0; w++
  :: else -> break
  od;
  b = 0;
  do
  :: b < BUDGETS -> now[b] = 0; limit[b] = 0; b++
  :: else -> break
  od;
  late.about = 0; late.returned = 0; late.settled = 0; late.final = 0;
  crashes = 0; limit_changes = 0; extensions = 0; breaches = 0
}

active proctype healing()
{
  do
  :: d_step { !finished -> drain(); invariants(); forget_everything(); finished = 1 }
  od
}

init
{
  atomic {
    b = 0;
    do
    :: b < BUDGETS ->
       limit[b] = (b == BUDGETS - 1 -> LAST_LIMIT : LIMIT);
       cap[b * WINDOWS] = limit[b];
#if WINDOWS > 1 || LIMIT_CHANGES > 0
       run policy(b);
#endif
       run ledger(0, b);
#if HOLDERS > 1
       run ledger(1, b);
#endif
       b++
    :: else -> break
    od;
    b = 0;
    do
    :: b < LEASES -> run around(b); b++
    :: else -> break
    od;
    b = 0;
    do
    :: b < CALLS -> run call(b); b++
    :: else -> break
    od;
#if CRASHES > 0
    run holder(0);
#if HOLDERS > 1
    run holder(1);
#endif
#endif
    b = 0
  }
}
