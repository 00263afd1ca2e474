#!/usr/bin/env bash
# The direction of dependence: proto <- common <- dataplane, controlplane; the planes never include each other; inside
# the data plane llm, budget, telemetry and control don't know each other.
set -euo pipefail
bad=0
refuse() { if git grep -nE "#include \"$2" -- "$1"; then bad=1; fi; }
refuse 'common/*' '(dataplane|controlplane)/'
refuse 'dataplane/*' 'controlplane/'
refuse 'controlplane/*' 'dataplane/'
refuse 'dataplane/llm/*' 'dataplane/(proxy|budget|telemetry|control)/'
refuse 'dataplane/budget/*' 'dataplane/(proxy|llm|telemetry|control)/'
refuse 'dataplane/telemetry/*' 'dataplane/(proxy|llm|budget|control)/'
refuse 'dataplane/control/*' 'dataplane/(proxy|llm|budget|telemetry)/'
refuse 'dataplane/credentials/*' 'dataplane/(proxy|llm|budget|telemetry|control)/'
exit $bad
