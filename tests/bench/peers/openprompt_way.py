"""OpenPrompt's own PromptDataLoader and PromptForClassification with a SoftTemplate, in OpenPrompt's environment
(``openprompt_env.sh``); batches of 8, padded to the longest text there may be, as its loader does."""

import numpy as np
import torch
import transformers
from openprompt import PromptDataLoader, PromptForClassification
from openprompt.data_utils import InputExample
from openprompt.plms import MLMTokenizerWrapper
from openprompt.prompts import ManualVerbalizer, SoftTemplate

from tests.bench.peers.serve import serve

BATCH = 8


class Peer:
    def __init__(self, job: dict) -> None:
        plm = transformers.RobertaForMaskedLM.from_pretrained(job["folder"])
        tokenizer = transformers.RobertaTokenizer(f"{job['folder']}/vocab.json", f"{job['folder']}/merges.txt")
        # Made from its files, it would cut "<mask>" into pieces.
        tokenizer.sanitize_special_tokens()
        self.tokenizer, self.job = tokenizer, job
        values = torch.tensor(np.load(job["prompt"]))
        self.template = SoftTemplate(model=plm, tokenizer=tokenizer, text='{"placeholder":"text_a"} {"mask"}', num_tokens=len(values))
        self.template.soft_embeds = torch.nn.Parameter(values)
        verbalizer = ManualVerbalizer(tokenizer, num_classes=2, label_words=[[word] for word in job["label_words"]])
        self.model = PromptForClassification(plm=plm, template=self.template, verbalizer=verbalizer).eval()

    @torch.inference_mode()
    def scores(self) -> np.ndarray:
        examples = [InputExample(guid=row, text_a=text, label=0) for row, text in enumerate(self.job["texts"])]
        loader = PromptDataLoader(examples, self.template, tokenizer=self.tokenizer, tokenizer_wrapper_class=MLMTokenizerWrapper,
                                  max_seq_length=self.job["max_tokens"], batch_size=BATCH)  # fmt: skip
        return np.concatenate([self.model(batch).numpy() for batch in loader])

    run = scores


if __name__ == "__main__":
    serve(Peer)
