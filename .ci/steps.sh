# Sourced by run and slow: runs steps, keeps their logs, and goes on after a failure so that one run shows them all.
# `logs` is where they go; tally.mjs reads them at the end.

logs=${OPENWIT_CI_LOGS:-$(mktemp -d -t openwit-ci-XXXXXX)}
mkdir -p "$logs"

# step NAME SECONDS COMMAND...: NAME.log takes the output, NAME.status the exit status.
step() {
  local name=$1 seconds=$2 status=0 started=$SECONDS
  shift 2
  echo "== $name: $*"
  timeout --kill-after=10 "$seconds" "$@" 2>&1 | tee "$logs/$name.log" || status=${PIPESTATUS[0]}
  echo "$status" > "$logs/$name.status"
  if [ "$status" = 124 ]; then echo "== $name was stopped after its $seconds s"; fi
  echo "== $name: exit $status after $((SECONDS - started)) s"
}
