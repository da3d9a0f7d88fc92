"""The word-level vocabulary that all PLMs of the zoo share, and its tokenizer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ptlib.zoo import mixture

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

BOS, PAD, EOS, UNK, MASK = range(5)


class Vocabulary:
    """Special tokens first, then the words of the mixture.

    The families differ in what they call a hidden word, ``<mask>`` or ``<extra_id_0>``, and in how they frame a text.
    """

    def __init__(self, family: str = "roberta") -> None:
        self.t5 = family == "t5"
        self.mask = "<extra_id_0>" if self.t5 else "<mask>"
        self.words = mixture.vocabulary()
        self.ids = {word: index for index, word in enumerate(("<s>", "<pad>", "</s>", "<unk>", self.mask, *self.words))}

    def __len__(self) -> int:
        return len(self.ids)

    def encode(self, text: str) -> list[int]:
        """Ids of the words of a text."""
        return [self.ids.get(word, UNK) for word in text.split()]

    def tokenizer(self) -> PreTrainedTokenizerFast:
        """As transformers' tokenizer, without rules: texts are words between single spaces."""
        from tokenizers import Tokenizer, models, pre_tokenizers, processors
        from transformers import PreTrainedTokenizerFast

        core = Tokenizer(models.WordLevel(self.ids, unk_token="<unk>"))
        core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        before = "" if self.t5 else "<s> "
        core.post_processor = processors.TemplateProcessing(
            single=f"{before}$A </s>", pair=f"{before}$A </s> $B </s>", special_tokens=[("<s>", BOS), ("</s>", EOS)],
        )  # fmt: skip
        common = {"tokenizer_object": core, "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
        if self.t5:
            return PreTrainedTokenizerFast(**common, additional_special_tokens=[self.mask])
        return PreTrainedTokenizerFast(
            **common, bos_token="<s>", cls_token="<s>", sep_token="</s>", mask_token=self.mask, model_max_length=96,
        )  # fmt: skip
