#!/bin/sh
# The main job on two CPU cores, without data or weights: `make demo` runs this.
set -eu
: "${DECAMO:=decamo}"
out=${DEMO:-demo}
scenes=$out/scenes
run=$out/run

say() { printf '\n== %s\n' "$1"; }

rm -rf "$run" "$out/predictions"

say "1. procedural camouflage: what you will have as COD10K"
$DECAMO data make-scenes "$scenes" --train 280 --test 40 --size 128

say "2. the plan, before an hour is spent"
$DECAMO plan --recipe demo --dataset-path "$scenes" --png "$out/plan.png"

say "3. two stages: frozen backbone, then all of it"
$DECAMO train --recipe demo --dataset-path "$scenes" --checkpoint-dir "$run"

say "4. scores on test scenes that training never saw"
$DECAMO evaluate "$run/best_model.pth" --dataset-path "$scenes" --json "$out/scores.json"

say "5. predictions to look at"
$DECAMO predict "$run/best_model.pth" "$scenes/Test/Image" --out "$out/predictions"

say "6. what the run's own curve says, and what to do next"
$DECAMO diagnose "$run"

say "7. all of it on one page"
$DECAMO report "$run" --dataset-path "$scenes"

say "done: open $run/report.html, and look at $out/plan.png and $out/predictions/*_overlay.png"
