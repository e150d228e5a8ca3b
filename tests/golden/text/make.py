#!/usr/bin/env python3
"""make.py CORPUS [CASE...]: trains small tokenizers of every kind on CORPUS and writes them here with the ids that Hugging Face
tokenizers gives for a sample of its lines and for texts that are hard: CASE/tokenizer.json, sample.txt (JSON texts, a
line each) and CASE/ids.txt. With cases only these are made, of the sample as it is, and CORPUS may be sample.txt.
tests/unit/test_text_tokenize.c reads them."""
import itertools
import json
import os
import random
import sys

from tokenizers import AddedToken, Regex, Tokenizer, models, trainers
from tokenizers import normalizers as N
from tokenizers import pre_tokenizers as P
from tokenizers import processors as PR

HERE = os.path.dirname(os.path.abspath(__file__))
HARD = [
    "", " ", "\t\n", "a", "Hello, y'all! How are you 😁 ?", "ÀÉÎõü naïve résumé ﬁne ½ ² Ⅷ", "İstanbul ISPARTA ıi ẞß ΣΑΣ ς",
    "a\u0301\u0323 \u0344 \u0958 \u1e9b\u0323 \u212b \ufb01", "漢字かなカナ한국어 ｱｲｳ", "e\u200db\u00adc\ufeffd\u2028e\u0085f\u3000g",
    "\U00020000\U0002f800 \U0001f468\u200d\U0001f469", "x" * 101 + " " + "y" * 100, "don't I'LL we'Ve 'S 'ſ ''s", "1234567 12.5e-3 ٣٤ ⅝",
    "  two  spaces\n\n\nlines \r\n end  ", "<mask>x <mask> y<mask>", "foo <tag> <tag>bar Foo  baz", "\ufdfa", "[CLS] a [SEP] [MASK].",
    "กำลังทดสอบ ກຳ", "\u1b44\u0334\u094d क्षि", "a" * 700, "-" * 300, "\U0001d165\u0323 𑤸 \u302e\u0323", "naïve\u0001x\ufffdy",
]
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
PATTERNS = [  # BLOOM's, o200k's with fewer classes, and what else the reader of expressions knows
    (r" ?[^(\s|[.,!?…。，、।۔،])]+", "isolated"),
    (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+(?i:'s|'t)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n/]*|\s+(?!\S)|\s+", "isolated"),
    (r"[c-e]+?|\w{2}(?=o)|x?y*?z|[一-龥぀-ゟ]", "merged_with_previous"),
    (r"(?i:t|LL)(?:h(?:e|a)?)?r?|[^\W\d_]é|.=|\d{2,}", "removed"),
]
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def wordpiece(normalizer, pre):
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer, t.pre_tokenizer = normalizer, pre
    return t, trainers.WordPieceTrainer(vocab_size=1500, limit_alphabet=700, special_tokens=BERT, show_progress=False)


def bpe(pre, specials=ROBERTA, normalizer=None, model=None, **options):
    t = Tokenizer(model or models.BPE())
    if normalizer:
        t.normalizer = normalizer
    t.pre_tokenizer = pre
    return t, trainers.BpeTrainer(vocab_size=1500, special_tokens=specials, show_progress=False,
                                  initial_alphabet=P.ByteLevel.alphabet(), **options)


def unigram(normalizer, pre):
    t = Tokenizer(models.Unigram())
    t.normalizer, t.pre_tokenizer = normalizer, pre
    return t, trainers.UnigramTrainer(vocab_size=4000, special_tokens=ROBERTA, unk_token="<unk>", show_progress=False)


def wordlevel(normalizer, pre, most):
    t = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    t.normalizer, t.pre_tokenizer = normalizer, pre
    return t, trainers.WordLevelTrainer(vocab_size=most, special_tokens=BERT, show_progress=False)


def bert_post(t):
    t.post_processor = PR.BertProcessing(("[SEP]", 3), ("[CLS]", 2))


def roberta_post(t):
    t.post_processor = PR.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=True)
    t.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
    t.add_tokens([AddedToken("<tag>", lstrip=True, single_word=True), AddedToken("Foo", rstrip=True)])


def template_post(t):
    t.post_processor = PR.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> </s> $B:1 </s>:1", special_tokens=[("<s>", 0), ("</s>", 2)])


def clip_post(t):
    t.post_processor = PR.RobertaProcessing(("<|endoftext|>", 1), ("<|startoftext|>", 0), add_prefix_space=False)


CASES = {
    "bert-uncased": (wordpiece(N.BertNormalizer(), P.BertPreTokenizer()), bert_post),
    "bert-cased": (wordpiece(N.BertNormalizer(lowercase=False), P.BertPreTokenizer()), bert_post),
    "words-nfkd": (wordpiece(N.Sequence([N.NFKD(), N.StripAccents(), N.Lowercase(), N.Strip()]),
                             P.Sequence([P.Whitespace(), P.Digits(True)])), None),
    "roberta": (bpe(P.ByteLevel(add_prefix_space=True)), roberta_post),
    "clip": (bpe(P.Sequence([P.Split(Regex(CLIP), "removed", True), P.ByteLevel(add_prefix_space=False)]),
                 ["<|startoftext|>", "<|endoftext|>"], N.Sequence([N.NFC(), N.Replace(Regex(r"\s+"), " "), N.Lowercase()]),
                 models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>"), end_of_word_suffix="</w>"), clip_post),
    "llama3": (bpe(P.Sequence([P.Split(Regex(LLAMA3), "isolated"), P.ByteLevel(add_prefix_space=False, use_regex=False)]),
                   model=models.BPE(ignore_merges=True)), template_post),
    "unigram": (unigram(N.Sequence([N.NFKC(), N.Replace(Regex(" {2,}"), " ")]), P.Metaspace(prepend_scheme="first")), template_post),
    "wordlevel": (wordlevel(N.Lowercase(), P.Whitespace(), 1500), bert_post),
    "wordlevel-parts": (wordlevel(N.NFC(), P.Sequence([P.WhitespaceSplit(), P.CharDelimiterSplit("e"), P.Punctuation("merged_with_previous"),
                                                       P.Digits(True)]), 900), None),
    "wordlevel-patterns": (wordlevel(N.NFC(), P.Sequence([P.Split(Regex(p), how) for p, how in PATTERNS]), 1500), None),
}


def main():
    with open(sys.argv[1], encoding="utf-8", newline="\n") as f:
        lines = [line.rstrip("\n") for line in itertools.islice(f, 200000)]
    only = sys.argv[2:]
    random.seed(3)
    if only:
        with open(HERE + "/sample.txt", encoding="utf-8", newline="\n") as f:
            texts = [json.loads(line) for line in f]
    else:
        texts = HARD + random.sample([line for line in lines if len(line) < 120], 300)
        with open(HERE + "/sample.txt", "w", encoding="utf-8") as f:
            f.writelines(json.dumps(text, ensure_ascii=False) + "\n" for text in texts)
    for name, ((t, trainer), post) in CASES.items():
        if only and name not in only:
            continue
        t.train_from_iterator(lines[: 3000 if name == "unigram" else 20000], trainer)
        if post:
            post(t)
        folder = "%s/%s" % (HERE, name)
        os.makedirs(folder, exist_ok=True)
        data = json.loads(t.to_str())
        if name == "unigram":  # the library reads long decimals inexactly: what is written here is read by all alike
            data["model"]["vocab"] = [[piece, round(score, 4)] for piece, score in data["model"]["vocab"]]
        with open(folder + "/tokenizer.json", "w", encoding="utf-8") as f:
            json.dump(data, f, ensure_ascii=False, separators=(",", ":"))
        t = Tokenizer.from_file(folder + "/tokenizer.json")
        t.enable_truncation(128)
        with open(folder + "/ids.txt", "w") as f:
            f.writelines(" ".join(map(str, e.ids)) + "\n" for e in t.encode_batch(texts))
            # pairs: each text with the one before it, 40 tokens together, their types as well
            t.enable_truncation(40)
            t.enable_padding(length=40, pad_id=1, direction="left")
            for a, b in zip(texts, texts[1:]):
                e = t.encode(b, a)
                f.write(" ".join(map(str, e.ids)) + " | " + " ".join(map(str, e.type_ids)) + "\n")


main()
