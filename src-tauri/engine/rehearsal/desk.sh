# What the rehearsal's agents do at a draft: write a spec, look for what is missing in one, answer that, and plan. Read by agent.sh, with
# its words. SCRIPT `critic` is the other family.
folder=$(brief 's/^[^`]*`\([^` ]*\)\/`.*/\1/p' | head -n 1)
idea=$(brief 's/^> \(..*\)/\1/p' | head -n 1 | cut -c 1-200)
[ -n "$folder" ] || { say 'My brief names no folder.'; exit 6; }
model=scripted
[ "$script" != critic ] || model=scripted-critic
tokens() {
    note "\"kind\":\"tokens\",\"model\":\"$model\",\"input\":$((count * 900)),\"cached\":$((count * 400)),\"output\":$((count * 60))"
}
written() {
    run "\"\$PILOTHOUSE_BIN\" check spec $folder"
    tokens
    say "$1"
}
case "$(brief 1p)" in
'# Draft '*)
    say "I read what there is, and write down what is wanted: $idea"
    run 'git log --oneline | head -n 5; ls'
    if [ -f "$folder/proposal.md" ]; then
        edit "$folder/proposal.md" <<END
# Change: $idea

## Why

$idea

## What Changes

- **FR-001**: It does what was asked for.

## Impact

Nothing that is there changes.
END
    elif [ -f "$folder/requirements.md" ]; then
        edit "$folder/requirements.md" <<END
# Requirements Document

## Introduction

$idea

## Requirements

### Requirement 1

1. WHEN somebody asks THE SYSTEM SHALL do what was asked for.
END
    else
        edit "$folder/spec.md" <<END
# $idea

- Status: drafted
- Kind: feature

## Summary

$idea

## Problem

Today people do it by hand, and forget it.

## Users and scenarios

Given somebody who wants it, when they ask, then they have it.

## Requirements

- **FR-001**: It MUST do what was asked for.

## Success criteria

Whoever asks has it within a second.

## Non-goals

Nothing else.

## Constraints

sh and nothing more.

## Data and contracts

not applicable because nothing is stored

## Compatibility

not applicable because nothing uses it yet

## Risks

| id | scenario | severity | area | mitigation | residual |
|---|---|---|---|---|---|
| R1 | nobody asks for it | low | use | it costs nothing | none |

## Hardening

not applicable because nobody else can reach it

## Open questions

none

## Decisions

As small as it can be.
END
    fi
    written 'The draft is written.'
    ;;
'# Attack '*)
    say 'I did not write this. What is missing?'
    run "cat $folder/*.md | head -n 60"
    lenses=$(brief '/^## Lenses/,/^## What to do/s/^- \(.*\)/\1/p')
    first=yes
    case "$(brief 1p)" in *'refinement 1') ;; *) first=no ;; esac
    printf '%s\n' "$lenses" | while read -r lens; do
        if [ "$first" = yes ]; then
            "$PILOTHOUSE_BIN" hook finding "$lens" medium 'Nobody says what happens if it is asked for and there is nothing to give' --at spec.md:21 --proposes 'FR-002: If there is nothing, it MUST say so'
            first=no
        elif [ "$lens" = "$(printf '%s\n' "$lenses" | sed -n 2p)" ] && [ "$(brief 1p | grep -c 'refinement 1$')" = 1 ]; then
            "$PILOTHOUSE_BIN" hook finding "$lens" low 'It could be kept, and not made anew each time' --proposes 'Keep it for a minute'
        else
            "$PILOTHOUSE_BIN" hook finding "$lens" nothing 'the requirements and the risks'
        fi
    done
    tokens
    say 'That is what I found.'
    ;;
'# Answer '*)
    say 'The findings are of somebody who read it carefully.'
    for number in $(brief 's/^\([0-9][0-9]*\)\. .*/\1/p'); do
        if [ "$(brief "s/^$number\\. \\([a-z]*\\) .*/\\1/p" | head -n 1)" = low ]; then
            run "\"\$PILOTHOUSE_BIN\" hook settle $number rejected 'It is made within a second, so nothing is gained'"
        else
            run "\"\$PILOTHOUSE_BIN\" hook settle $number accepted 'It says so now, as FR-002'"
            grep -q 'FR-002' "$folder"/*.md || run "sed -i.old 's/^- .*FR-001.*/&\\
- **FR-002**: If there is nothing, it MUST say so./' $folder/*.md && rm -f $folder/*.old"
        fi
    done
    written 'Each has its verdict.'
    ;;
'# Plan '*)
    say 'The spec is refined; I divide its work.'
    if [ -f "$folder/spec.md" ]; then
        mkdir -p "$folder/phases"
        edit "$folder/plan.md" <<END
# How

One file for each requirement.
END
        edit "$folder/phases/01-make.md" <<END
# Make it

Goal: what the spec wants. Do not touch anything else.
END
        edit "$folder/tasks.md" <<END
## Phase 1: Make it
- Detail: phases/01-make.md

- [ ] T001 Do what was asked for
  - Files: \`made/one.txt\` (new)
  - Verify: \`test -s made/one.txt\`
  - Depends: none
  - Covers: FR-001
END
        ! grep -q FR-002 "$folder/spec.md" || cat >>"$folder/tasks.md" <<END
- [ ] T002 Say so if there is nothing
  - Files: \`made/two.txt\` (new)
  - Verify: \`test -s made/two.txt\`
  - Depends: none
  - Covers: FR-002
END
    else
        edit "$folder/tasks.md" <<END
## 1. Make it

- [ ] 1.1 Do what was asked for
  - Files: \`made/one.txt\` (new)
  - Verify: \`test -s made/one.txt\`
  - Depends: none
END
    fi
    run "\"\$PILOTHOUSE_BIN\" check plan $folder"
    written 'The plan is written.'
    ;;
esac
exit 0
