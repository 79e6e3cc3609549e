# What a run on a SLURM cluster needs beside its profile.
import snakemake_executor_plugin_slurm

# Before each look at the jobs, the plugin asks the controller for MinJobAge. Where it gets no answer,
# it turns from squeue to sacct, in which it waits for ever if the cluster keeps no accounts.
snakemake_executor_plugin_slurm.get_min_job_age = lambda: sys.maxsize
# It looks less and less often, down to each 3 minutes, for which GPUs would stand idle after the
# bases. One squeue each few seconds is little for a controller.
snakemake_executor_plugin_slurm.Executor.next_seconds_between_status_checks = property(
    lambda self: self.workflow.executor_settings.init_seconds_before_status_checks,
    lambda self, seconds: None,
)


onerror:
    print(
        slurm_refusals.advice(
            "".join(Path(file).read_text(encoding="utf-8") for file in log),
            Path(workflow.basedir, "profiles", "slurm", "profile.yaml"),
        ),
        file=sys.stderr,
    )
