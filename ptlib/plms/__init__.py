"""Frozen pre-trained language models: described without torch, loaded with it."""

from ptlib.plms.describe import PlmInfo, describe

__all__ = ["PlmInfo", "describe"]
