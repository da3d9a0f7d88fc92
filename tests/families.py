"""Tiny random-weight PLMs of every family, saved as transformers saves them, for tests."""

from __future__ import annotations

from pathlib import Path

WORDS = ["the", "a", "plot", "food", "was", "good", "bad", "dull", "great", "not", "it", "negative", "positive", "un", "##real", "real"]
FAMILIES = ("roberta", "bert", "t5", "t5-gated", "gpt2", "llama", "mistral", "qwen2", "qwen3")


def _tokenizer(family: str):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    if family in ("gpt2", "llama", "mistral", "qwen2", "qwen3"):
        # Byte-level, one token a byte or a known word with the space before it: words may be of several tokens.
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        vocabulary = {piece: number for number, piece in enumerate(["<|endoftext|>", "<s>", *alphabet])}
        merges = []
        for word in ("Ġgood", "Ġbad", "Ġno", "Ġyes"):
            for end in range(2, len(word) + 1):
                if word[:end] not in vocabulary:
                    vocabulary[word[:end]] = len(vocabulary)
                    merges.append((word[: end - 1], word[end - 1]))
        core = Tokenizer(models.BPE(vocabulary, merges))
        core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        core.decoder = decoders.ByteLevel()
        names = (
            {"eos_token": "<|endoftext|>"} if family in ("gpt2", "qwen2", "qwen3") else {"eos_token": "<|endoftext|>", "bos_token": "<s>"}
        )
        return PreTrainedTokenizerFast(tokenizer_object=core, **names)
    special = {"roberta": ["<s>", "<pad>", "</s>", "<unk>", "<mask>"], "bert": ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
               "t5": ["<pad>", "</s>", "<unk>", "<extra_id_0>"]}[family.split("-")[0]]  # fmt: skip
    vocabulary = {word: number for number, word in enumerate([*special, *WORDS])}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token=next(word for word in special if "unk" in word.lower())))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    names = {"roberta": {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "mask_token": "<mask>"},
             "bert": {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"},
             "t5": {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>",
                    "additional_special_tokens": ["<extra_id_0>"]}}[family.split("-")[0]]  # fmt: skip
    return PreTrainedTokenizerFast(tokenizer_object=core, **names)


def _model(family: str, rows: int):
    import transformers as hf

    small = {"vocab_size": rows, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48,
             "max_position_embeddings": 64, "initializer_range": 0.4}  # fmt: skip
    match family:
        case "roberta":
            return hf.RobertaForMaskedLM(hf.RobertaConfig(**small, type_vocab_size=1, bos_token_id=0, pad_token_id=1, eos_token_id=2))
        case "bert":
            return hf.BertForMaskedLM(hf.BertConfig(**small, pad_token_id=0))
        case "t5" | "t5-gated":
            gated = family == "t5-gated"
            return hf.T5ForConditionalGeneration(
                hf.T5Config(vocab_size=rows, d_model=32, d_kv=8, d_ff=48, num_layers=3, num_decoder_layers=3, num_heads=4, pad_token_id=0,
                            eos_token_id=1, decoder_start_token_id=0, feed_forward_proj="gated-gelu" if gated else "relu",
                            tie_word_embeddings=not gated, initializer_factor=1.0 if gated else 2.0)
            )  # fmt: skip
        case "gpt2":
            return hf.GPT2LMHeadModel(
                hf.GPT2Config(vocab_size=rows, n_embd=32, n_layer=3, n_head=4, n_inner=48, n_positions=64, initializer_range=0.4,
                              bos_token_id=0, eos_token_id=0)
            )  # fmt: skip
        case _:
            name = {"llama": "Llama", "mistral": "Mistral", "qwen2": "Qwen2", "qwen3": "Qwen3"}[family]
            more = {"head_dim": 8} if family == "qwen3" else {}
            config = getattr(hf, f"{name}Config")(**small, **more, num_key_value_heads=2, bos_token_id=1, eos_token_id=0)
            return getattr(hf, f"{name}ForCausalLM")(config)


def build(family: str, folder: Path) -> Path:
    """Saves a PLM of 3 layers, hidden 32, FFN 48 with its tokenizer; returns the folder."""
    import torch

    torch.manual_seed(0)
    tokenizer = _tokenizer(family)
    tokenizer.save_pretrained(folder)
    model = _model(family, len(tokenizer))
    with torch.no_grad():
        for name, values in model.named_parameters():
            # Biases and norms start as zeros and ones: a forgotten one would go unseen.
            if values.ndim == 1:
                values.add_(0.1 * torch.randn(values.shape))
            elif "relative_attention_bias" in name:
                values.normal_()
    model.save_pretrained(folder)
    return folder
