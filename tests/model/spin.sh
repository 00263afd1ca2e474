#!/usr/bin/env bash
# Verifies lease.pml with spin, every reachable state of one small world, in bounded memory.
#   tests/model/spin.sh                  everything, one line each
#   tests/model/spin.sh WORLD            a world without mistakes: nothing may be wrong
#   tests/model/spin.sh MISTAKE          a mistake put in on purpose: its invariant must catch it
#   tests/model/spin.sh list             the names of both
# Exit code 77: spin is not installed.
set -uo pipefail
model=$(cd "$(dirname "$0")" && pwd)/lease.pml

declare -A worlds=(
  [crashes]="CALLS=2 LEASES=3 CRASHES=1 LIMIT=1 GRANTED_MAX=1"
  [larger-leases]="CALLS=2 LEASES=2 CRASHES=1"
  [several-budgets]="BUDGETS=2 CALLS=2 LEASES=3 LAST_LIMIT=1 GRANTED_MAX=1"
  [limit-changes-and-breaches]="CALLS=1 LEASES=2 LIMIT_CHANGES=1 BREACHES=1"
  [windows-roll-over]="WINDOWS=2 CALLS=1 LEASES=3 LIMIT=1 GRANTED_MAX=1"
  [holds-move]="HOLDERS=1 WINDOWS=2 CALLS=1 LEASES=2 EXTENSIONS=1 CRASHES=1 GRANTED_MAX=2"
)
# mistake: the world in which it is made, the invariant that catches it
declare -A mistakes=(
  [RECLAIM_WITHOUT_FINAL]="crashes i5_closed_below_true_usage"
  [RESUME_ROLLED_BACK]="crashes i1_spent_beyond_limit"
  [SEND_BEFORE_DURABLE]="crashes i1_spent_beyond_limit"
  [REFUND_AFTER_CRASH]="crashes i5_closed_below_true_usage"
  [RETURN_OPEN_HOLDS]="crashes i2_lease_beyond_grant"
  [HOLD_IGNORES_SETTLED]="crashes i2_lease_beyond_grant"
  [RETURN_COUNTED_TWICE]="larger-leases i3_lent_beyond_limit"
  [SETTLED_UP_TO_THE_HOLD]="limit-changes-and-breaches i6_records_differ_from_settled"
  [ROLL_DROPS_LEASES]="windows-roll-over i5_closed_below_true_usage"
  [DECREASE_IGNORES_COMMITTED]="limit-changes-and-breaches i3_lent_beyond_limit"
  [LAST_WRITE_WINS]="larger-leases i4_not_monotone"
  [KEEPS_REFUSED_PART]="several-budgets i8_denied_call_costs"
  [REVIVES_FORGOTTEN]="crashes i5_closed_below_true_usage"
  [GONE_WITHOUT_JOURNAL]="crashes i5_closed_below_true_usage"
  [MOVE_LEAVES_FIRST]="holds-move i5_closed_below_true_usage"
)

if [ "${1:-}" = list ]; then printf '%s\n' "${!worlds[@]}" "${!mistakes[@]}" | sort; exit; fi
command -v spin >/dev/null || { echo "spin is not installed"; exit 77; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
export TMPDIR=$work

verify() { # flags; sets states, broken (an invariant or "") and trouble (why there is no verdict)
  local d; d=$(mktemp -d) || return
  states='' broken='' trouble=''
  if ! (cd "$d" && spin "${@/#/-D}" -a "$model" && "${CC:-cc}" -O"$optimise" -w -DSAFETY -DNOREDUCE -DCOLLAPSE -DMEMLIM=1500 -o pan pan.c) >"$d/build.log" 2>&1; then
    trouble=$(tail -n 3 "$d/build.log" | tr '\n' ' ')
    return
  fi
  (cd "$d" && timeout "${WEIR_SPIN_SECONDS:-240}" ./pan -m20000 -E -n >pan.log 2>&1)
  broken=$(sed -n 's/.*assertion violated .*\(i[1-8]_[a-z_]*\).*/\1/p' "$d/pan.log" | head -n 1)
  states=$(sed -n 's/ *\([0-9.e+]*\) states, stored.*/\1/p' "$d/pan.log" | head -n 1)
  if [ -z "$states" ] || grep -q -e 'max search depth too small' -e 'memory limit' -e 'out of memory' "$d/pan.log"; then
    trouble="not every state was visited: $(tail -n 2 "$d/pan.log" | tr '\n' ' ')"
  elif [ -z "$broken" ] && ! grep -q 'errors: 0$' "$d/pan.log"; then
    trouble=$(grep -m 1 'pan:' "$d/pan.log")
  fi
}

one() {
  local name=$1 world expect
  if [ -n "${worlds[$name]:-}" ]; then
    optimise=2; verify ${worlds[$name]}
    [ -z "$trouble$broken" ] && { echo "spin $name: sound, $states states"; return 0; }
    echo "spin $name: ${broken:-$trouble}"
  elif [ -n "${mistakes[$name]:-}" ]; then
    read -r world expect <<<"${mistakes[$name]}"
    optimise=0; verify ${worlds[$world]} "$name"
    [ "$broken" = "$expect" ] && { echo "spin $name: caught by $broken"; return 0; }
    echo "spin $name: expected $expect, found ${broken:-nothing} ${trouble}"
  else
    echo "spin $name: no such world or mistake"
  fi
  return 1
}

if [ $# -gt 0 ]; then one "$1"; exit; fi
bad=0 good=0
for name in "${!worlds[@]}" "${!mistakes[@]}"; do
  if one "$name"; then good=$((good + 1)); else bad=$((bad + 1)); fi
done
echo "spin: $good as expected, $bad not"
[ "$bad" = 0 ]
