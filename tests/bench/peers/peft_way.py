"""PEFT's PromptTuning in this environment: batches of 8 in the order of the file, padded to the longest of each, tokens
made on the way, transformers' fast attention, the whole output layer."""

import numpy as np
import peft
import torch
import transformers

from tests.bench.peers.serve import serve

BATCH = 8
KINDS = {"roberta": ("MaskedLM", "FEATURE_EXTRACTION"), "t5": ("Seq2SeqLM", "SEQ_2_SEQ_LM"), "gpt2": ("CausalLM", "CAUSAL_LM"),
         "llama": ("CausalLM", "CAUSAL_LM")}  # fmt: skip


class Peer:
    def __init__(self, job: dict) -> None:
        self.job, self.device = job, job.get("device") or "cpu"
        config = transformers.AutoConfig.from_pretrained(job["folder"])
        self.family = config.model_type
        auto, kind = KINDS[self.family]
        dtype = getattr(torch, job.get("dtype", "float32"))
        base = getattr(transformers, f"AutoModelFor{auto}").from_pretrained(job["folder"], dtype=dtype)
        values = torch.tensor(np.load(job["prompt"]))
        self.length = len(values)
        self.model = peft.get_peft_model(
            base, peft.PromptTuningConfig(task_type=kind, num_virtual_tokens=self.length, num_transformer_submodules=1)
        )
        with torch.no_grad():
            self.model.prompt_encoder["default"].embedding.weight.copy_(values)
        self.model.to(self.device).eval()
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(job["folder"])

    @torch.inference_mode()
    def scores(self) -> np.ndarray:
        found, texts = [], self.job["texts"]
        for at in range(0, len(texts), BATCH):
            rows = [self._tokens(text) for text in texts[at : at + BATCH]]
            lengths = torch.tensor([len(row) for row in rows])
            ids = torch.tensor([row + [1] * (int(lengths.max()) - len(row)) for row in rows], device=self.device)
            there = (torch.arange(ids.shape[1])[None] < lengths[:, None]).long().to(self.device)
            more = {"decoder_input_ids": torch.ones(len(rows), 1, dtype=torch.long, device=self.device)} if self.family == "t5" else {}
            logits = self.model(input_ids=ids, attention_mask=there, **more).logits
            back = {"roberta": 2, "t5": None}.get(self.family, 1)
            slots = torch.zeros_like(lengths) if back is None else self.length + lengths - back
            found.append(logits[torch.arange(len(rows)), slots][:, self.job["label_ids"]].float().cpu().numpy())
        return np.concatenate(found)

    run = scores

    def _tokens(self, text: str) -> list[int]:
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return {"roberta": [0, *ids, 4, 2], "t5": [*ids, 2]}.get(self.family, ids)


if __name__ == "__main__":
    serve(Peer)
