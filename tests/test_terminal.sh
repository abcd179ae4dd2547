#!/bin/sh
# dit in a real terminal (tmux), and as other terminals see it.
# Fails if the progress is not one line that is redrawn, if --preview does not draw at every step in the same place, if
# --show draws other colours than the PNG has, if Ctrl-C does not end the program in order and leave the terminal usable,
# or if the pictures that kitty, iTerm2 or a sixel terminal get are not the PNG's.
#
#   tests/test_terminal.sh keep   also writes the screen to docs/terminal.txt
cd "$(dirname "$0")/.." || exit 1
. tests/check.sh
root=$PWD
dit=$build/dit
cd "$work" || exit 1

if have tmux && tmux -L "dit$$" -f /dev/null new-session -d -x 80 -y 24 -s t "env PS1='ready> ' TERM=screen ENV= sh" 2>/dev/null; then
  trap 'tmux -L "dit$$" kill-server 2>/dev/null; rm -rf "$work"' EXIT
  mux() { tmux -L "dit$$" "$@"; }
  screen() { mux capture-pane -p -t t >screen; }
  # wait_for PATTERN: until the screen has it, 15 s at most.
  wait_for() {
    tries=0
    while screen && ! has "$1" screen; do
      tries=$((tries + 1))
      [ "$tries" -lt 150 ] || return 1
      sleep 0.1
    done
  }
  # wait_for_change FILE: until the screen is not the file, 15 s at most.
  wait_for_change() {
    tries=0
    until screen && differ "$1" screen; do
      tries=$((tries + 1))
      [ "$tries" -lt 150 ] || return 1
      sleep 0.1
    done
  }
  # type COMMAND: clears the screen and runs it; "end STATUS" appears behind it.
  type() { mux send-keys -t t "clear; $*; echo end \$?" Enter; }

  wait_for 'ready>'
  mux send-keys -t t "cd '$work'; alias dit='$dit'" Enter

  # ---- Progress, and Ctrl-C ----
  type dit -c all -n 64 -s 999 -o stopped.png
  check "the progress has steps, percent and time left" wait_for '^step [0-9]* of [0-9]*, [0-9]* %, .* left'
  sleep 0.5
  screen
  check "the progress is one line" [ "$(grep -c '^step' screen)" = 1 ]
  mux send-keys -t t C-c
  check "Ctrl-C: status 130" wait_for '^end 130'
  check "Ctrl-C: says what became of the files" has 'stopped; 0 files were written' screen
  check "Ctrl-C: no rest of the progress" [ "$(grep -c '^step' screen)" = 0 ]
  check "Ctrl-C: no file" absent stopped.png

  # ---- --preview ----
  type dit -c mushroom -S 1 -s 400 -n 2 --isa scalar --preview -o preview.png # slowly
  check "--preview: half blocks and the progress beneath" wait_for '^step'
  screen
  check "--preview: 16 lines of picture" [ "$(grep -n '^step' screen | cut -d: -f1)" = 17 ]
  cp screen early
  check "--preview: redrawn in place" wait_for_change early
  check "--preview: still one progress line" [ "$(grep -c '^step' screen)" -le 1 ]
  [ "${1:-}" != keep ] || { wait_for '^step [1-9][0-9][0-9]' && sed 's/ *$//' screen >"$root/docs/terminal.txt"; }
  mux send-keys -t t C-c
  check "--preview: Ctrl-C" wait_for '^end 130'
  type dit -c mushroom -S 1 -s 8 --preview -o preview.png
  check "--preview: ends" wait_for '^end 0'
  check "--preview: the picture stays, the result beneath" [ "$(grep -n '^preview.png: 1 picture' screen | cut -d: -f1)" = 17 ]
  head -n 16 screen | sed 's/ *$//' >previewed

  # ---- --show ----
  type dit -q -c mushroom -S 1 -s 8 --show -o shown.png
  check "--show: ends" wait_for '^end 0'
  head -n 16 screen | sed 's/ *$//' >shown
  check "--show: half blocks" has "$(printf '\342\226\200')" shown
  check "--preview ended with what --show shows" cmp -s previewed shown
  check "--show: the text is that of a file" sh -c '"$1" -q -c mushroom -S 1 -s 8 --show -o x.png |
    sed "s/\x1b\[[0-9;]*[mK]//g; s/ *\$//" | cmp -s - shown' sh "$dit"
  mux resize-window -t t -x 20 -y 10
  sleep 0.3 # until the shell has noticed
  type dit -q -c mushroom -S 1 -s 8 --show -o shown.png
  wait_for '^end 0'
  check "--show: fits 20 columns" [ "$(grep -n '^end 0' screen | cut -d: -f1)" = 9 ]
  type dit -c all -n 2 -s 100 --preview -o preview.png
  check "--preview: fits a small screen" wait_for '^step'
  check "--preview: with a short progress line" [ "$(grep -c '^step' screen)" = 1 ]
  mux send-keys -t t C-c
  wait_for '^end 130'
else
  skip "no tmux: dit is not seen in a real terminal"
fi

if [ -n "$python" ] && "$python" -c 'import pty, zlib' 2>/dev/null; then
  "$dit" -q -c potion,key -n 2 -s 4 -o sheet.png
  for kind in kitty iterm sixel; do
    check "--show: what $kind gets is the picture" env PYTHONPATH="$root/tests" PYTHONDONTWRITEBYTECODE=1 \
      "$python" "$root/tests/terminal.py" $kind sheet.png "$dit" -q -c potion,key -n 2 -s 4 --show -o other.png
  done
  "$dit" -q -c potion -s 1 -o single.png
  for kind in kitty-window ghostty wezterm mintty remote-iterm last-sixel plain silent babbling dumb tmux screen; do
    check "--show: what $kind gets" env PYTHONPATH="$root/tests" PYTHONDONTWRITEBYTECODE=1 \
      "$python" "$root/tests/terminal.py" $kind single.png "$dit" -q --threads 1 -c potion -s 1 --show -o other.png
  done
else
  skip "no python3 with pty and zlib: what other terminals get is not decoded"
fi
finish terminal
