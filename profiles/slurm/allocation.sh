#!/bin/bash
# Thousands of small trainings on whole nodes. Each node trains its share of a study's replicates,
# many networks at a time. docs/on-a-cluster.md explains how to use it:
#
#     sbatch profiles/slurm/allocation.sh
#
# SIGTERM two minutes before the time limit gives each training time to save.
#SBATCH --nodes=1 --exclusive --mem=0 --signal=TERM@120
#SBATCH --output=.snakemake/allocation-%A_%a.log
# ---- Settings of your cluster --------------------------------------------------------------------
#SBATCH --partition=gpu
# The account, if jobs need one: remove one # to use it.
##SBATCH --account=project
# The number of nodes: at most the number of replicates (splits × seeds) of the study.
#SBATCH --array=1-4
# All GPUs of a node.
#SBATCH --gres=gpu:4
#SBATCH --time=4:00:00
# How many networks a node trains at a time: several per GPU, at most one per core.
at_once=16
# --------------------------------------------------------------------------------------------------

# Snakemake uses only the last of several --config, so put the keys of a study into its file.
# srun makes this a job step, since SLURM does not signal the batch script.
exec srun --ntasks=1 --cpu-bind=none uv run --no-sync snakemake "$@" \
  --cores "$SLURM_CPUS_ON_NODE" --resources gpu="$at_once" \
  --config share="$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"
