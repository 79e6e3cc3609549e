# What Snakemake's lock of the folder cannot know: whether the run that left it still lives. Jobs are
# no runs of their own.
if workflow.is_main_process:
    RUNS = Path(".snakemake", "runs")
    # It stays open as long as this process lives.
    RUN = runs.begin(RUNS)
    OTHER_RUNS = runs.others(RUNS, RUN)
    if not OTHER_RUNS:
        shutil.rmtree(Path(".snakemake", "locks"), ignore_errors=True)
    else:
        print(
            f"Another run is at work in {Path.cwd()}: {', '.join(OTHER_RUNS)}. Should it have ended "
            f"without a word on another machine, delete {RUNS} and type the same again.",
            file=sys.stderr,
        )
