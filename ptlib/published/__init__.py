"""Other people's prompts and results, brought in as data: the study that the paper's authors published. Imports no torch."""
