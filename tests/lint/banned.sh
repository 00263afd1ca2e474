#!/usr/bin/env bash
# Functions that can't be bounded, or that share hidden state, are not used.
set -euo pipefail
! git grep -nwE '(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|localtime|gmtime|gets|alloca|setenv|putenv)[[:space:]]*\(' -- '*.c' '*.h' ':!tests'
