// Makes strings.jsonl: strings of every kind, and how many tokens tiktoken finds in each. See README.md.
import { writeFileSync } from "node:fs";
import { get_encoding } from "tiktoken";

const encodings = ["cl100k_base", "o200k_base"].map((name) => get_encoding(name));

// The same numbers every time: mulberry32.
let state = 20261123;
const random = (below) => {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) % below;
};
const pick = (list) => list[random(list.length)];
const times = (count, make) => Array.from({ length: count }, (_, index) => make(index));
const some = (least, most, make, between = "") => times(least + random(most - least + 1), make).join(between);

// Letters by script, as ranges of code points that are all assigned.
const scripts = {
  latin: [[0x61, 0x7a]], capitals: [[0x41, 0x5a]], accented: [[0xe0, 0xf6], [0xf8, 0x17f]], vietnamese: [[0x1ea0, 0x1ef9]],
  ipa: [[0x250, 0x2a8]], greek: [[0x3b1, 0x3c9]], polytonic: [[0x1f00, 0x1f15]], cyrillic: [[0x410, 0x44f]],
  ukrainian: [[0x430, 0x45f]], armenian: [[0x561, 0x586]], hebrew: [[0x5d0, 0x5ea]], arabic: [[0x621, 0x63a], [0x641, 0x652]],
  persian: [[0x67e, 0x67e], [0x686, 0x686], [0x6a9, 0x6af], [0x627, 0x633]], syriac: [[0x710, 0x72c]], thaana: [[0x780, 0x7a5]],
  devanagari: [[0x905, 0x939], [0x93e, 0x94d]], bengali: [[0x995, 0x9a8], [0x9be, 0x9c4]], gurmukhi: [[0xa15, 0xa28]],
  gujarati: [[0xa95, 0xaa8], [0xabe, 0xac5]], oriya: [[0xb15, 0xb28]], tamil: [[0xb85, 0xb8a], [0xbae, 0xbb9], [0xbbe, 0xbc2]],
  telugu: [[0xc15, 0xc28], [0xc3e, 0xc44]], kannada: [[0xc95, 0xca8]], malayalam: [[0xd15, 0xd28], [0xd3e, 0xd44]],
  sinhala: [[0xd9a, 0xdb1]], thai: [[0xe01, 0xe3a], [0xe40, 0xe4e]], lao: [[0xe94, 0xe97], [0xec0, 0xec4]],
  tibetan: [[0xf40, 0xf47], [0xf71, 0xf7d]], burmese: [[0x1000, 0x103e]], georgian: [[0x10d0, 0x10f0]], hangul_parts: [[0x1100, 0x1112], [0x1161, 0x1175]],
  ethiopic: [[0x1200, 0x1246]], cherokee: [[0x13a0, 0x13f4]], khmer: [[0x1780, 0x17b3], [0x17b6, 0x17c5]], mongolian: [[0x1820, 0x1842]],
  hiragana: [[0x3041, 0x3096]], katakana: [[0x30a1, 0x30fa]], half_katakana: [[0xff66, 0xff9d]], bopomofo: [[0x3105, 0x3129]],
  han: [[0x4e00, 0x9fa5]], common_han: [[0x4e00, 0x5200]], rare_han: [[0x20000, 0x20400]], hangul: [[0xac00, 0xd7a3]],
  full_width: [[0xff21, 0xff3a], [0xff41, 0xff5a]], gothic: [[0x10330, 0x1034a]], cuneiform: [[0x12000, 0x12100]],
  hieroglyphs: [[0x13000, 0x13100]], mathematical: [[0x1d400, 0x1d454]], combining: [[0x300, 0x36f]], deseret: [[0x10400, 0x1044f]],
};
const from = (ranges) => {
  const [first, last] = pick(ranges);
  return String.fromCodePoint(first + random(last - first + 1));
};
const word = (script) => some(1, 9, () => from(scripts[script]));
const names = Object.keys(scripts);

const english = `the of and to in is you that it he was for on are as with his they at be this have from or one had by word but
not what all were we when your can said there use an each which she do how their if will up other about out many then them these so some
her would make like him into time has look two more write go see number no way could people my than first water been call who oil its now
find long down day did get come made may part Internationalization unbelievable CamelCaseName snake_case_name SCREAMING_CASE kebab-case
iPhone McDonald naïve café Zürich straße œuvre façade mañana jalapeño Ærøskøbing`.split(/\s+/);
const sentence = () => some(2, 14, () => pick(english), pick([" ", " ", " ", "  ", ", "])) + pick([".", "!", "?", "", "...", " …", ";", ":"]);

const emoji = ["😀", "👍", "👍🏽", "👩‍💻", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "🇯🇵", "❤️", "❤", "☂︎", "1️⃣", "🫠", "🧑🏿‍🚀", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "⌚", "🪿", "©️", "™", "🤷‍♀️"];
const spaces = [" ", "  ", "    ", "\t", "\t\t", "\n", "\n\n", "\r\n", "\r", "\u00a0", "\u2003", "\u2028", "\u3000", "\u0085", "\u000b", "\f", "\u200b", "\ufeff", "\u202f"];
const controls = ["\0", "\u0001", "\u0007", "\b", "\u001b[31m", "\u007f", "\u0080", "\u009f", "\u00ad", "\u200c", "\u200d", "\u200e", "\u202e", "\u2060", "\ufffd", "\ufffe", "\uffff", "\u{e0001}", "\u{10ffff}", "\ue000"];
const specials = ["<|endoftext|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|endofprompt|>", "<|im_start|>", "<|im_end|>", "<|start|>assistant<|message|>", "<|return|>", "<|call|>", "<|end", "|>", "<|", "< |endoftext|>"];
const suffixes = ["'s", "'S", "'t", "'re", "'RE", "'ve", "'m", "'M", "'ll", "'LL", "'d", "’s", "’ll", "'x", "''", "'sX", "'ſ", "'reſ"];
const signs = [..."!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~§°€£¥¢→∀∑≠×÷½²³№¿¡«»„“”‘’–—…‰★●□【】、。！？「」،؛؟।"];
const numerals = ["٠١٢٣", "०१२३", "০১২", "１２３", "一二三", "Ⅳ", "¼", "①②", "𝟘𝟙", "٣٫١٤"];

const code = [
  () => `fn ${word("latin")}<T: ${pick(["Clone", "Debug"])}>(x: &mut T) -> Result<(), Error> {\n    ${"    ".repeat(random(4))}Ok(())\n}\n`,
  () => `def ${word("latin")}(self, *args, **kwargs):\n\t${"\t".repeat(random(3))}return [x ** ${random(99)} for x in args if x != ${random(1000)}]\n`,
  () => `SELECT ${word("latin")}, COUNT(*) FROM "${word("latin")}" WHERE id >= ${random(100000)} GROUP BY 1;`,
  () => `<div class="${word("latin")}" data-id='${random(9999)}'>&nbsp;${pick(english)}</div>\r\n<!-- ${pick(english)} -->`,
  () => JSON.stringify({ [pick(english)]: [random(10), null, true, random(1000) / 7], text: sentence(), deep: { a: { b: {} } } }, null, pick([0, 2, 4])),
  () => `#include <${word("latin")}.h>\nint main(void) { for (int i = 0; i < ${random(1e6)}; ++i) printf("%d\\n", i); }`,
  () => `\\begin{equation}\\frac{${random(9)}}{\\sqrt{x_{${random(9)}}^2}}\\end{equation}`,
  () => `## ${pick(english)}\n\n- **${pick(english)}**: \`${word("latin")}\`\n- [${pick(english)}](https://example.org/${word("latin")}?q=${random(1e6)}#${word("latin")})\n`,
  () => `${word("latin")}@example.com, +${random(99)} ${random(999)} ${random(9999999)}`,
  () => `git commit -m "${sentence()}" && cargo test --workspace 2>&1 | tee /dev/null`,
  () => times(1 + random(24), () => random(256).toString(16).padStart(2, "0")).join(pick(["", " ", ":"])),
  () => Buffer.from(times(3 + random(90), () => random(256))).toString("base64"),
];

const strings = new Set(["", "a", " ", "\n", "tiktoken is great!", "a".repeat(3000), " ".repeat(1000), "\n".repeat(500), "ab ".repeat(900),
  "0123456789".repeat(120), "=".repeat(700), "👩‍💻".repeat(60), "の".repeat(300), "-+".repeat(400), "ACGT".repeat(300), "\t \t".repeat(200), "é".normalize("NFD").repeat(200)]);
const add = (count, make) => {
  const wanted = strings.size + count;
  while (strings.size < wanted) strings.add(make());
};
for (const name of names) add(14, () => some(1, 6, () => word(name), pick([" ", " ", "", ", "])));
add(250, sentence);
add(120, () => some(1, 8, () => pick(emoji), pick(["", " "])));
add(150, () => some(1, 9, () => pick(spaces).repeat(1 + random(4)) + pick(["", "", pick(english), pick(signs), "7"])));
add(80, () => some(1, 5, () => pick(controls) + pick(["", pick(english)])));
add(80, () => some(1, 4, () => pick(specials) + pick(["", " ", pick(english)])));
add(100, () => some(1, 5, () => pick([...english, word("cyrillic"), word("capitals")]) + pick(suffixes), " "));
add(120, () => some(1, 12, () => pick(signs).repeat(1 + random(3)), pick(["", "", " "])));
add(120, () => some(1, 4, () => pick([String(random(10 ** (1 + random(9)))), (random(1e6) / 1000).toFixed(random(4)), pick(numerals), `${2000 + random(99)}-0${1 + random(9)}-${10 + random(18)}T00:00:00Z`]), pick([" ", ",", "", "/"])));
add(240, () => pick(code)());
add(200, () => some(2, 7, () => pick([() => word(pick(names)), () => pick(emoji), () => pick(spaces), () => pick(english), () => pick(signs), () => String(random(10000))])()));
add(12, () => some(60, 120, sentence, " "));
add(12, () => some(20, 60, () => word(pick(names)), " "));

const lines = [...strings].map((text) => JSON.stringify([text, ...encodings.map((encoding) => encoding.encode(text, [], []).length)]));
writeFileSync(new URL("strings.jsonl", import.meta.url), lines.join("\n") + "\n");
console.log(`${lines.length} strings`);
