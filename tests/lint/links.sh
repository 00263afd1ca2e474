#!/usr/bin/env bash
# What a page links to inside the repository is there: the file, and for a page the heading too.
set -euo pipefail
bad=0

# The anchors that a page's headings make: lower case, spaces to hyphens, other punctuation dropped.
anchors() { # page
  sed -n 's/^##* //p' "$1" | tr '[:upper:]' '[:lower:]' | sed 's/[^[:alnum:] _-]//g; s/ /-/g'
}

while IFS= read -r page; do
  while IFS= read -r target; do
    case $target in *://* | mailto:*) continue ;; esac
    file=${target%%#*} anchor=
    case $target in *'#'*) anchor=${target#*#} ;; esac
    path=$page; [ -z "$file" ] || path=$(dirname "$page")/$file
    if [ ! -e "$path" ]; then echo "$page links to $target, which is not there"; bad=1
    elif [ -n "$anchor" ] && [[ $path = *.md ]] && ! anchors "$path" | grep -qxF -- "$anchor"; then
      echo "$page links to $target, a heading that is not there"; bad=1
    fi
  done < <(sed '/^ *```/,/^ *```/d; s/`[^`]*`//g' "$page" | grep -oE '\]\([^) ]+' | cut -c3-)
done < <(git ls-files '*.md')
exit $bad
