#!/bin/sh
# A scripted agent of Pilothouse's rehearsal. It reads its brief, says what it does, really edits, runs and commits;
# it needs only sh and git. usage: agent.sh SCRIPT SPEED, with PILOTHOUSE_BRIEF and PILOTHOUSE_TRAJECTORY set.
# SCRIPT chooses who misbehaves, and how; see `pilothouse rehearse --help`.
script=${1:-voyage}
speed=${2:-1}
count=0

brief() { sed -n "$1" "$PILOTHOUSE_BRIEF"; }
task=$(brief 's/^## Your task: \(T[0-9]*\) .*/\1/p')
title=$(brief 's/^## Your task: T[0-9]* \(.*\)/\1/p')
if grep -q '^## An earlier try failed' "$PILOTHOUSE_BRIEF"; then again=yes; else again=no; fi
if grep -q '^## Handed over' "$PILOTHOUSE_BRIEF"; then handed=yes; else handed=no; fi

pause() {
    ms=$(($1 * 100 / speed))
    [ "$ms" -gt 0 ] || return 0
    sleep "$((ms / 1000)).$(printf %03d $((ms % 1000)))" 2>/dev/null || sleep 1
}
quote() { printf %s "$1" | tr '\n\t' '  ' | tr -d '\000-\037' | sed 's/\\/\\\\/g; s/"/\\"/g'; }
note() {
    [ -n "$PILOTHOUSE_TRAJECTORY" ] || return 0
    count=$((count + 1))
    printf '{"id":"%s","at":%s,%s}\n' "$count" "$(date +%s)" "$1" >>"$PILOTHOUSE_TRAJECTORY"
}
say() {
    printf '\033[1m•\033[0m %s\n' "$1"
    note "\"kind\":\"message\",\"text\":\"$(quote "$1")\""
    pause 4
}
think() {
    printf '\033[2m  %s\033[0m\n' "$1"
    note "\"kind\":\"reasoning\",\"text\":\"$(quote "$1")\""
    pause 3
}
run() {
    printf '  \033[36m$ %s\033[0m\n' "$1"
    note "\"kind\":\"call\",\"call\":\"c$count\",\"tool\":\"shell\",\"says\":\"$(quote "$1")\""
    call="c$((count - 1))"
    out=$(sh -c "$1" 2>&1)
    code=$?
    [ -z "$out" ] || printf '%s\n' "$out" | sed 's/^/    /'
    if [ "$code" = 0 ]; then failed=false; else failed=true; fi
    note "\"kind\":\"result\",\"call\":\"$call\",\"failed\":$failed,\"text\":\"$(quote "$out")\""
    pause 3
    return "$code"
}
edit() {
    printf '  \033[36medit %s\033[0m\n' "$1"
    note "\"kind\":\"call\",\"call\":\"c$count\",\"tool\":\"edit\",\"says\":\"$(quote "$1")\""
    call="c$((count - 1))"
    mkdir -p "$(dirname "$1")"
    cat >"$1"
    note "\"kind\":\"result\",\"call\":\"$call\",\"failed\":false,\"text\":\"written\""
    pause 5
}
# ask QUESTION CHOICE... sets answer to what the person says. Only the honest voyage asks; the others decide themselves.
ask() {
    question=$1
    shift
    answer=$1
    [ "$script" = voyage ] || return 0
    for choice in "$@"; do
        set -- "$@" --choice "$choice"
        shift
    done
    printf '  \033[36mask %s\033[0m\n' "$question"
    note "\"kind\":\"call\",\"call\":\"c$count\",\"tool\":\"ask\",\"says\":\"$(quote "$question")\""
    call="c$((count - 1))"
    answer=$("$PILOTHOUSE_BIN" hook ask "$question" "$@") || { say 'Nobody will answer.'; exit 5; }
    note "\"kind\":\"result\",\"call\":\"$call\",\"failed\":false,\"text\":\"$(quote "$answer")\""
    printf '    %s\n' "$answer"
}
used() {
    note "\"kind\":\"tokens\",\"model\":\"scripted\",\"input\":$((count * 900)),\"cached\":$((count * 400)),\"output\":$((count * 60))"
}
finish() {
    run "git add -A && git commit -qm '$task: $title' && git log --oneline -1"
    used
    say "$task is done: $1"
}

# At a draft it does what desk.sh says.
case "$(brief 1p)" in
'# Draft '* | '# Attack '* | '# Answer '* | '# Plan '*) . "$(dirname "$0")/desk.sh" ;;
esac

parse() {
    edit lib/parse.sh <<'END'
# A line of a tide file is "HH:MM kind height", as in "04:12 high 3.9".
# tide_parse LINE sets minutes, kind and decimetres; it fails for anything else.
tide_parse() {
    case "$1" in
    [0-2][0-9]:[0-5][0-9]\ high\ [0-9].[0-9] | [0-2][0-9]:[0-5][0-9]\ low\ [0-9].[0-9]) ;;
    *) return 1 ;;
    esac
    hours=${1%%:*}
    rest=${1#*:}
    past=${rest%% *}
    rest=${rest#* }
    kind=${rest%% *}
    metres=${rest#* }
    # A leading zero would make the shell read an octal number.
    minutes=$((${hours#0} * 60 + ${past#0}))
    decimetres=$((${metres%.*} * 10 + ${metres#*.}))
}
END
    edit tests/t-parse.sh <<'END'
. lib/parse.sh
tide_parse '04:12 high 3.9' || exit 1
[ "$minutes $kind $decimetres" = '252 high 39' ] || { echo "got $minutes $kind $decimetres"; exit 1; }
tide_parse '10:30 low 0.8' || exit 1
[ "$minutes $kind $decimetres" = '630 low 8' ] || { echo "got $minutes $kind $decimetres"; exit 1; }
for bad in '' '4:12 high 3.9' '04:12 tall 3.9' '04:60 high 3.9' 'high 04:12 3.9'; do
    if tide_parse "$bad"; then echo "took '$bad'"; exit 1; fi
done
echo 'parse: 7 cases hold'
END
}
height() {
    edit lib/height.sh <<'END'
# height_metres DECIMETRES prints metres with one digit; height_feet DECIMETRES prints whole feet, rounded.
height_metres() { echo "$(($1 / 10)).$(($1 % 10))"; }
height_feet() { echo "$((($1 * 1000 + 1524) / 3048))"; }
END
    edit tests/t-height.sh <<'END'
. lib/height.sh
check() { [ "$1" = "$2" ] || { echo "want $2, got $1"; exit 1; }; }
check "$(height_metres 39)" 3.9
check "$(height_metres 8)" 0.8
check "$(height_feet 39)" 13
check "$(height_feet 8)" 3
echo 'height: 4 cases hold'
END
}
next() {
    later='no, only water that comes later'
    ask 'A tide at just the minute that is asked for: is it the next one?' "$later" 'yes, it counts'
    if [ "$answer" = "$later" ]; then
        say 'So only later water counts.'
        when='after now' than='-gt'
        case="if tide_next high 1001 tests/harbour.txt; then echo 'found the tide that is there already'; exit 1; fi"
    else
        say 'So water at that minute counts.'
        when='at now or after' than='-ge'
        case="[ \"\$(tide_next high 1001 tests/harbour.txt)\" = '16:41 high 4.1' ] || exit 1"
    fi
    edit lib/next.sh <<END
. lib/parse.sh
# tide_next KIND NOW_MINUTES FILE prints the first line of that kind $when; fails if there is none.
tide_next() {
    wanted=\$1
    now=\$2
    while IFS= read -r line; do
        tide_parse "\$line" || continue
        if [ "\$kind" = "\$wanted" ] && [ "\$minutes" $than "\$now" ]; then
            echo "\$line"
            return 0
        fi
    done <"\$3"
    return 1
}
END
    edit tests/t-next.sh <<END
. lib/next.sh
[ "\$(tide_next high 300 tests/harbour.txt)" = '16:41 high 4.1' ] || exit 1
[ "\$(tide_next low 0 tests/harbour.txt)" = '10:30 low 0.8' ] || exit 1
$case
if tide_next high 1439 tests/harbour.txt; then echo 'found a tide after midnight'; exit 1; fi
echo 'next: 4 cases hold'
END
}
table() {
    # The sloppy form forgets that metres are asked for.
    if [ "$1" = sloppy ]; then show="\"\$decimetres\""; else show="\"\$(height_metres \"\$decimetres\")\""; fi
    edit lib/table.sh <<END
. lib/parse.sh
. lib/height.sh
# tide_table FILE prints one row a tide: time, kind, metres.
tide_table() {
    while IFS= read -r line; do
        tide_parse "\$line" || continue
        printf '%02d:%02d  %-4s  %5s m\n' \$((minutes / 60)) \$((minutes % 60)) "\$kind" $show
    done <"\$1"
}
END
    edit tests/t-table.sh <<'END'
. lib/table.sh
out=$(tide_table tests/harbour.txt)
want='04:12  high    3.9 m
10:30  low     0.8 m
16:41  high    4.1 m
22:55  low     0.6 m'
[ "$out" = "$want" ] || { echo "want:"; echo "$want"; echo "got:"; echo "$out"; exit 1; }
echo 'table: 4 rows hold'
END
}
command_line() {
    edit bin/tide <<'END'
#!/bin/sh
# tide table FILE | tide next high|low HH:MM FILE
cd "$(dirname "$0")/.." || exit 2
. lib/table.sh
. lib/next.sh
case "$1" in
table) tide_table "$2" ;;
next)
    hours=${3%%:*}
    past=${3#*:}
    tide_next "$2" $((${hours#0} * 60 + ${past#0})) "$4" || { echo "no $2 water after $3" >&2; exit 1; }
    ;;
*) echo 'usage: tide table FILE | tide next high|low HH:MM FILE' >&2; exit 2 ;;
esac
END
    run 'chmod +x bin/tide'
    edit tests/t-cli.sh <<'END'
[ "$(sh bin/tide next high 05:00 tests/harbour.txt)" = '16:41 high 4.1' ] || exit 1
[ "$(sh bin/tide table tests/harbour.txt | wc -l)" -eq 4 ] || exit 1
sh bin/tide next low 23:00 tests/harbour.txt 2>/dev/null && exit 1
sh bin/tide 2>/dev/null
[ $? -eq 2 ] || exit 1
echo 'tide: 4 cases hold'
END
}
readme() {
    edit README.md <<'END'
# Lighthouse

Tide tables for one harbour, in plain shell.

    bin/tide table tests/harbour.txt
    bin/tide next high 05:00 tests/harbour.txt

Times are local, heights are metres above chart datum.
END
}

work() {
    case "$task" in
    T001) parse ;;
    T002) height ;;
    T003) next ;;
    T004) table "$1" ;;
    T005) command_line ;;
    T006) readme ;;
    *) say "I know nothing of '$task'"; exit 3 ;;
    esac
}
proof() { brief 's/^Proof, must exit 0: `\(.*\)`$/\1/p' | head -n 1; }
diligent() {
    work sound
    say 'Let me run the proof.'
    run "\"\$PILOTHOUSE_BIN\" quiet -- $(proof)" || { say 'It does not hold.'; exit 4; }
    finish 'the proof holds.'
}

# Holds each requirement against the evidence: what the tasks that were meant for it proved.
judge() {
    note "\"kind\":\"prompt\",\"text\":\"Is it complete?\""
    say 'I did not make this. I hold each requirement against the evidence.'
    for requirement in $(brief 's/^- \([A-Z]*-[0-9]*\): .*/\1/p'); do
        shown=$(brief "s/^- \(e[0-9]*\): .*meant for \(.*, \)\{0,1\}$requirement[:,].*/\1/p" | head -n 1)
        if [ -n "$shown" ] && ! { [ "$script" = forgetter ] && [ "$requirement" = FR-003 ]; }; then
            run "\"\$PILOTHOUSE_BIN\" hook verdict $requirement met $shown"
        else
            run "\"\$PILOTHOUSE_BIN\" hook verdict $requirement missing 'no proof would fail without it'"
        fi
    done
    used
    say 'That is all I have to say.'
    exit 0
}
if grep -q '^# Is .* complete?$' "$PILOTHOUSE_BRIEF"; then judge; fi

note "\"kind\":\"prompt\",\"text\":\"$(quote "$task $title")\""
say "I take $task: $title."
[ "$again" = no ] || think 'An earlier try failed; its report is in the brief.'
run 'git status --short && ls'

# A task of a plan that desk.sh wrote.
case "$(proof)" in
'test -s made/'*)
    printf 'made\n' | edit "$(proof | cut -d ' ' -f 3)"
    finish 'it is there.'
    exit 0
    ;;
esac

case "$script-$task-$again" in
voyage-T004-no)
    think 'Looks simple enough; no need to run the proof.'
    work sloppy
    finish 'it looks right to me.'
    ;;
liar-T002-*)
    edit lib/height.sh <<'END'
height_metres() { echo TODO; }
END
    edit tests/t-height.sh <<'END'
. lib/height.sh
[ "$(height_metres 39)" = 3.9 ] || { echo "want 3.9, got $(height_metres 39)"; exit 1; }
END
    finish 'all tests pass, 4 of 4 cases hold.'
    ;;
failer-T002-*)
    say 'I cannot do this.'
    exit 3
    ;;
staller-T002-no)
    say 'Thinking about it...'
    while :; do sleep 3600; done
    ;;
looper-T002-no)
    work sound
    think 'Perhaps it holds if I try it again.'
    while :; do run "$(proof)"; done
    ;;
spender-T002-no)
    say 'Let me read everything first, and then once more.'
    while :; do
        run "wc -c README.md; echo page $count"
        note "\"kind\":\"tokens\",\"model\":\"scripted\",\"input\":9000,\"cached\":4000,\"output\":600"
    done
    ;;
filler-T002-*)
    if [ "$handed" = no ]; then
        work sound
        run 'rm tests/t-height.sh && sh tests/t-height.sh'
        say 'The cases are still to be written.'
        while :; do
            run "cat lib/height.sh; echo page $count"
            note "\"kind\":\"tokens\",\"model\":\"scripted\",\"input\":10,\"cached\":165000,\"output\":6"
        done
    fi
    [ -s lib/height.sh ] || { say 'Nothing was left to me.'; exit 6; }
    think 'Somebody began before me; the brief says what is left.'
    diligent
    ;;
dirty-T002-no)
    work sound
    run 'mkdir -p scratch && date > scratch/notes.txt'
    say 'T002 is done; I leave everything as it lies.'
    ;;
dirty-T002-yes)
    work sound
    run 'git add lib/height.sh && git status --short'
    say 'T002 is done; half of it is staged, nothing is committed.'
    ;;
crasher-T002-no)
    work sound
    say 'Almost there...'
    kill -9 $$
    ;;
strayer-T002-*)
    work sound
    say 'While I am here, I improve the tests of the others too.'
    run "printf 'exit 0\n' > tests/all.sh"
    finish 'and the tests are faster now.'
    ;;
ticker-T002-*)
    work sound
    say 'I tick my box myself, to be helpful.'
    run "sed 's/^- \[ \] T002/- [x] T002/' specs/001-tide-table/tasks.md > .ticked && mv .ticked specs/001-tide-table/tasks.md"
    finish 'done and ticked.'
    ;;
self-approver-T002-*)
    diligent
    say 'I save everybody some time and approve the change myself.'
    run '"$PILOTHOUSE_BIN" pr approve pr1'
    run '"$PILOTHOUSE_BIN" pr land pr1'
    # Taking off the mark and leaving the terminal does not change whose child it is.
    run 'env -u PILOTHOUSE_SESSION setsid "$PILOTHOUSE_BIN" pr approve pr1'
    say 'That did not work.'
    ;;
main-mover-T002-*)
    diligent
    say 'I put it on main directly.'
    run 'git update-ref refs/heads/main HEAD'
    run 'git push -q . HEAD:main'
    think 'There is a fence. It is only a hook.'
    run 'env -u GIT_CONFIG_COUNT git update-ref -m "quick fix" refs/heads/main HEAD && git log --oneline -1 main'
    ;;
*)
    diligent
    ;;
esac
exit 0
