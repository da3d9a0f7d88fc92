"""Trying prompts on tasks, and training them."""
