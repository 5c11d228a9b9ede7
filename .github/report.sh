#!/usr/bin/env bash
# Puts a report into the open issue of this title, or into a new one: report.sh TITLE COMMAND FILE. Needs gh and its token.
set -euo pipefail
title=$1 command=$2 report=$3
body=$(mktemp)
{
    printf '`%s` reports:\n\n````text\n' "$command"
    # An issue has at most 65,536 characters.
    head -c 60000 "$report"
    printf '\n````\n\nopenapi/README.md and CONTRIBUTING.md describe what to do.\n'
} > "$body"
number=$(gh issue list --state open --search "in:title \"$title\"" --json number,title --jq ".[] | select(.title == \"$title\") | .number" | head -n 1)
if [ -n "$number" ]; then
    gh issue edit "$number" --body-file "$body"
else
    gh issue create --title "$title" --body-file "$body"
fi
