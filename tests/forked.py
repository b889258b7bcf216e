"""Functions called in processes of their own, forked from one that has loaded the libraries."""

import multiprocessing


def forked(function, seconds=120):
    """What calls a function of a module in such a process, waits for its end, and gives its exit code."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["selftrain.training.train", "transformers.models.llama.modeling_llama"])

    def run(*arguments):
        process = context.Process(target=function, args=arguments)
        process.start()
        process.join(seconds)
        return process.exitcode

    return run
