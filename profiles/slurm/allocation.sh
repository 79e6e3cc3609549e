#!/bin/bash
# Thousands of small trainings: whole nodes, each of which trains its share of a study's replicates,
# many networks at a time. docs/on-a-cluster.md says how it is used:
#
#     sbatch profiles/slurm/allocation.sh
#
# SIGTERM two minutes before the time limit gives each training time to save.
#SBATCH --nodes=1 --exclusive --mem=0 --signal=TERM@120
#SBATCH --output=.snakemake/allocation-%A_%a.log
# ---- What a site sets ----------------------------------------------------------------------------
#SBATCH --partition=gpu
# How many nodes: at most as many as the study has replicates (splits × seeds).
#SBATCH --array=1-4
# All GPUs of a node.
#SBATCH --gres=gpu:4
#SBATCH --time=4:00:00
# How many networks a node trains at a time: several for each GPU, one for each core at most.
at_once=16
# --------------------------------------------------------------------------------------------------

# Of several --config, Snakemake takes the last: keys of a study belong in its file.
# As a job step, since SLURM signals no batch script.
exec srun --ntasks=1 --cpu-bind=none uv run --no-sync snakemake "$@" \
  --cores "$SLURM_CPUS_ON_NODE" --resources gpu="$at_once" \
  --config share="$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"
