#!/bin/sh
# The main job on two CPU cores, without data or weights: `make demo` runs this.
# A run is driven onto a plateau, diagnosed, and brought off it, with proof.
set -eu
: "${DECAMO:=decamo}"
here=$(dirname "$0")
out=${DEMO:-demo}
seed=${SEED:-0}
scenes=$out/scenes
run=$out/run

say() { printf '\n== %s\n' "$1"; }

rm -rf "$scenes" "$run" "$out/predictions"

say "1. procedural camouflage in the layout of COD10K: hidden animals, and masks that tell where"
$DECAMO data make-scenes "$scenes" --train 300 --test 60 --size 64 --seed "$seed"

say "2. a short first run: 12 epochs, in which the learning rate falls from 0.003 to almost nothing"
$DECAMO train --recipe demo --dataset-path "$scenes" --checkpoint-dir "$run" --seed "$seed"

say "3. let it go on at the rate on which it ended? The plan shows what that means, and warns"
badly="--epochs 30 --stage2-lr 0.00001 --scheduler none --warmup-epochs 0"
$DECAMO plan $badly --resume-from "$run/last.pth" --png "$out/plan.png"

say "4. we do it all the same: 18 epochs more"
$DECAMO train $badly --resume-from "$run/last.pth" --dataset-path "$scenes" --checkpoint-dir "$run"
cp "$run/last.pth" "$out/stalled.pth"  # for step 7

say "5. what ails this run? Its own curve tells: verdict, likely causes, and the next command"
$DECAMO diagnose "$run" --json "$out/diagnosis.json"

say "6. is the advice right? Raced against other ways on from the same weights; the winner goes on"
$DECAMO escape "$run/last.pth" --dataset-path "$scenes" --branches "$here/demo-branches.toml" \
    --only advice rate-x10 anneal --trial-epochs 5 --continue --json "$out/race.json"

say "7. before and after, on test scenes that neither training nor the race has seen"
$DECAMO evaluate stalled="$out/stalled.pth" escaped="$run/best_model.pth" \
    --dataset-path "$scenes" --compare stalled escaped --json "$out/scores.json"

say "8. predictions to look at"
$DECAMO predict "$run/best_model.pth" "$scenes/Test/Image" --out "$out/predictions" --overlay

say "9. the whole story on one page"
$DECAMO report "$run" --dataset-path "$scenes"

say "done: open $run/report.html, and look at $out/plan.png and $out/predictions/*_overlay.png"
