"""The limit: transformers' own forward over the very batches that this project makes, prepared beforehand, nothing read."""

import torch

from ptlib.transfer.batching import batches, budget, overhead
from ptlib.transfer.tokens import tokens_of
from tests.bench.peers import ours
from tests.bench.peers.serve import serve


class Peer(ours.Peer):
    def __init__(self, job: dict) -> None:
        super().__init__(job)
        plm, prompt = self.plm, self.prompt
        values = torch.tensor(prompt.values, device=plm.device)
        data = tokens_of(plm, self.task, "test", None, prompt.insertion, prompt.length)
        self.lengths = [len(ids) for ids in data.ids]
        self.cut = batches(self.lengths, prompt.length, budget(plm.info, plm.device, plm.dtype), overhead(plm.info, plm.device))
        with torch.inference_mode():
            self.inputs = [plm.inputs(values, *data.batch(rows, plm.pad_id, plm.device), prompt.insertion) for rows in self.cut]

    def facts(self) -> dict:
        """Real and padded slots, prompts included."""
        extra = self.prompt.length
        padded = sum(len(rows) * (extra + max(self.lengths[row] for row in rows)) for rows in self.cut)
        return {"slots": sum(self.lengths) + extra * len(self.lengths), "padded": padded, "batches": len(self.cut)}

    @torch.inference_mode()
    def run(self) -> None:
        model = self.plm.model
        for inputs in self.inputs:
            there = None if inputs.there is None else inputs.there.long()
            if self.plm.info.family == "t5":
                read = model.encoder(inputs_embeds=inputs.embeds, attention_mask=there).last_hidden_state
                start = torch.full((len(read), 1), model.config.decoder_start_token_id, device=read.device)
                model.decoder(input_ids=start, encoder_hidden_states=read, encoder_attention_mask=there, use_cache=False)
            else:
                model.base_model(inputs_embeds=inputs.embeds, attention_mask=there)


if __name__ == "__main__":
    serve(Peer)
