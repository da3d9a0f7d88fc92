"""Soft prompts: the matrix, its file format, how it is inserted, and random baselines. Imports no torch."""

from ptlib.prompts.insertion import INSERTIONS, Insertion, family_insertions, inert_rows
from ptlib.prompts.random import random_prompt
from ptlib.prompts.safetensors_format import load, save
from ptlib.prompts.soft_prompt import SoftPrompt

__all__ = ["INSERTIONS", "Insertion", "SoftPrompt", "family_insertions", "inert_rows", "load", "random_prompt", "save"]
