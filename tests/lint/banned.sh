#!/usr/bin/env bash
# Functions that can't be bounded, or that share hidden state, are not used.
set -euo pipefail
! git grep -nE '\b(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|localtime|gmtime|gets|alloca|setenv|putenv)\s*\(' -- '*.c' '*.h' ':!tests'
