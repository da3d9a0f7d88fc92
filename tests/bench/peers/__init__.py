"""One way of evaluating a cell a file, each run in a process of its own, so that memory and imports are its own too."""
