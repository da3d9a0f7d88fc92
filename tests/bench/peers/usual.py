"""The usual way, written for this bench after what the paper's released code does: every text padded to the longest
there may be, batches of 16 in the order of the file, eager attention, tokens made on the way, the whole output layer at
every position. ``job`` can switch each of these off one by one: ``attention``, ``pad`` and ``head``.

T5's padding is masked here, which costs the same: the released code attends to it, so its scores depend on the padding.
"""

import numpy as np
import torch
import transformers

from tests.bench.peers.serve import serve

BATCH = 16


class Peer:
    def __init__(self, job: dict) -> None:
        self.job = job
        auto = {"roberta": "MaskedLM", "t5": "Seq2SeqLM", "gpt2": "CausalLM", "llama": "CausalLM"}
        config = transformers.AutoConfig.from_pretrained(job["folder"])
        self.family, self.device = config.model_type, job.get("device") or "cpu"
        loader = getattr(transformers, f"AutoModelFor{auto[self.family]}")
        dtype = getattr(torch, job.get("dtype", "float32"))
        self.model = (
            loader.from_pretrained(job["folder"], attn_implementation=job.get("attention", "eager"), dtype=dtype).to(self.device).eval()
        )
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(job["folder"])
        self.prompt = torch.tensor(np.load(job["prompt"]), device=self.device, dtype=dtype)

    @torch.inference_mode()
    def scores(self) -> np.ndarray:
        found, texts = [], self.job["texts"]
        for at in range(0, len(texts), BATCH):
            found.append(self._batch([self._tokens(text) for text in texts[at : at + BATCH]]))
        return np.concatenate(found)

    run = scores

    def _tokens(self, text: str) -> list[int]:
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return [0, *ids, 2] if self.family == "roberta" else ids

    def _batch(self, rows: list[list[int]]) -> np.ndarray:
        width = self.job["max_tokens"] if self.job.get("pad", "most") == "most" else max(map(len, rows))
        ids = torch.tensor([row + [1] * (width - len(row)) for row in rows], device=self.device)
        lengths = torch.tensor([len(row) for row in rows], device=self.device)
        table, count, prompt = self.model.get_input_embeddings(), len(rows), self.prompt
        length = len(prompt)
        there = torch.arange(length + width, device=self.device)[None] < length + lengths[:, None]
        if self.family == "roberta":
            mask = table.weight[self.tokenizer.mask_token_id][None]
            embeds = torch.cat([torch.cat([mask, prompt[1:]]).expand(count, -1, -1), table(ids)], dim=1)
            positions = torch.cat([torch.ones(length, dtype=torch.long), torch.arange(width) + 2]).to(self.device)[None].expand(count, -1)
            given = {"inputs_embeds": embeds, "attention_mask": there.long(), "position_ids": positions}
            if self.job.get("head", "all") == "all":
                logits = self.model(**given).logits[:, 0]
            else:
                given["position_ids"] = positions
                logits = self.model.lm_head(self.model.roberta(**given).last_hidden_state[:, 0])
        else:
            embeds = torch.cat([prompt.expand(count, -1, -1), table(ids)], dim=1)
            given = {"inputs_embeds": embeds, "attention_mask": there.long()}
            if self.family == "t5":
                start = torch.full((count, 1), self.model.config.decoder_start_token_id, device=self.device)
                logits = self.model(**given, decoder_input_ids=start).logits[:, 0]
            else:
                logits = self.model(**given).logits[torch.arange(count), length + lengths - 1]
        return logits[:, self.job["label_ids"]].float().cpu().numpy()


if __name__ == "__main__":
    serve(Peer)
