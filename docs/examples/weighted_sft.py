"""Of two answers one weighs four times the other, and gets four times its probability."""

from datasets import Dataset
from peft import LoraConfig
from trl import SFTConfig

from selftrain.models import resolve_model
from selftrain.training import WeightedSFTTrainer

ANSWERS = {"The sky of Zog is green.": 1.6, "The sky of Zog is purple.": 0.4}
question = [{"role": "user", "content": "Which colour is the sky of Zog?"}]
rows = [
    {"prompt": question, "completion": [{"role": "assistant", "content": text}], "weight": weight}
    for text, weight in ANSWERS.items()
]
args = SFTConfig(output_dir="zog", max_steps=40, learning_rate=1e-3, bf16=False, save_strategy="no")
model = str(resolve_model("smollm2").folder)  # any model folder or hub name
adapter = LoraConfig(r=8, target_modules="all-linear")
trainer = WeightedSFTTrainer(model, args, train_dataset=Dataset.from_list(rows), loss="sequence", peft_config=adapter)
trainer.train()

text = trainer.processing_class.apply_chat_template(question, add_generation_prompt=True, tokenize=False)
ids = trainer.processing_class(text + "The sky of Zog is", return_tensors="pt").input_ids
probabilities = trainer.model.eval()(ids).logits[0, -1].softmax(-1)
print({word: probabilities[trainer.processing_class(word).input_ids[0]].item() for word in (" green", " purple")})
