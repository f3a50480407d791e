/**
 * Words of shoppers and titles in ten languages: pairs that meet, and pairs that must not, each with the rule
 * that decides. Sources: CLDR transliterations and exemplar characters, the Unicode character database and its
 * normalisation forms, public reports of other engines, dictionaries.
 */
import { assert, describe, it } from "@effect/vitest"
import { Builder } from "@hypermarket/search/internal/engine/Builder"
import { Searcher } from "@hypermarket/search/internal/engine/Searcher"
import * as EngineSettings from "@hypermarket/search/internal/engine/EngineSettings"
import * as SearchRequest from "@hypermarket/search/internal/engine/SearchRequest"
import { SegmentLoader } from "@hypermarket/search/internal/engine/Segment"
import * as Result from "effect/Result"

type Case = readonly [query: string, title: string, reason: string, source: string]

interface Language {
  readonly meets: ReadonlyArray<Case>
  readonly apart: ReadonlyArray<Case>
}

const languages: Readonly<Record<string, Language>> = {
  German: {
    meets: [
      ["strassenlaterne", "Straßenlaterne LED", "ß is ss", "Unicode SpecialCasing"],
      ["STRASSENLATERNE", "Straßenlaterne LED", "ß is ss, and its capitals are SS", "Unicode SpecialCasing"],
      ["fussball", "Fußball Größe 5", "ß is ss", "Duden: Fußball"],
      ["grosse tasche", "Große Tasche", "ß is ss", "Duden: groß"],
      ["kuhlschrank", "Kühlschrank weiß", "an umlaut is its letter", "CLDR de exemplars"],
      ["olfilter", "Ölfilter W 712", "an umlaut is its letter", "CLDR de exemplars"],
      ["weiss", "Kühlschrank weiß", "ß is ss", "Swiss orthography"],
      ["tshirt", "T-Shirt Herren", "joined at the hyphen", "Duden: T-Shirt"],
      ["kabel 1.5 m", "Kabel 1,5 m", "a decimal comma is a point", "CLDR de number format"],
      ["w712", "Ölfilter W 712", "a letter and what follows are one part number", "Mann filters"]
    ],
    apart: [
      ["hut", "Hütte", "a beginning is not the word", "Duden: Hut, Hütte"],
      ["kamm", "Kammer", "a beginning is not the word", "Duden: Kamm, Kammer"],
      ["rose", "Rosette", "a beginning is not the word", "Duden: Rose, Rosette"],
      ["fus", "Fuß Creme", "ß is two letters", "Unicode SpecialCasing"]
    ]
  },
  French: {
    meets: [
      ["olive", "Huile d'olive", "elision", "Académie: élision"],
      ["amande", "Crème d’amande", "elision, with a typographic apostrophe", "Académie: élision"],
      ["oreal", "Shampooing L'Oréal", "elision and accents", "L'Oréal"],
      ["loreal", "Shampooing L'Oréal", "the whole word beside what follows", "L'Oréal"],
      ["l'oréal", "Shampooing L'Oréal", "as written", "L'Oréal"],
      ["coeur", "Cœur en chocolat", "œ is oe", "CLDR fr exemplars"],
      ["oeuf", "Coquetier Œuf", "œ is oe", "CLDR fr exemplars"],
      ["ecole", "Sac d'École", "elision and accents", "CLDR fr exemplars"],
      ["garcon", "Manteau garçon", "cedilla", "CLDR fr exemplars"],
      ["noel", "Sapin de Noël", "diaeresis", "CLDR fr exemplars"]
    ],
    apart: [
      ["or", "Shampooing L'Oréal", "a beginning is not the word", "dictionary: or"],
      ["huit", "Huile d'olive", "two letters are others", "dictionary: huit, huile"],
      ["cor", "Cœur en chocolat", "œ is two letters", "dictionary: cor"],
      ["hui", "Le Monde d'aujourd'hui", "no article before this apostrophe", "Académie: aujourd'hui"],
      ["ile", "Carte presqu'île", "no article, but part of one word", "Académie: presqu'île"]
    ]
  },
  Italian: {
    meets: [
      ["acqua", "Depuratore dell'acqua", "elision", "Treccani: elisione"],
      ["oro", "Anello d'oro", "elision", "Treccani: elisione"],
      ["uva", "Succo d’uva", "elision, with a typographic apostrophe", "Treccani: elisione"],
      ["olio", "Ampolla per l'olio", "elision", "Treccani: elisione"],
      ["dellacqua", "Depuratore dell'acqua", "the whole word beside what follows", "surname Dellacqua"],
      ["caffe", "Macchina da caffè", "accents", "CLDR it exemplars"],
      ["citta", "Bicicletta da città", "accents", "CLDR it exemplars"],
      ["arte", "Libro sull'arte", "elision", "Treccani: elisione"],
      ["agnello", "Spiedini sant'agnello", "elision", "Treccani: elisione"],
      ["d'oro", "Anello d'oro", "as written", "Treccani: elisione"]
    ],
    apart: [
      ["ora", "Anello d'oro", "another vowel", "dictionary: ora, oro"],
      ["uva", "Nuvola", "a part is not the word", "dictionary: nuvola"],
      ["art", "Libro sull'arte", "a beginning is not the word", "dictionary: arte"]
    ]
  },
  Polish: {
    meets: [
      ["lodz", "Plakat Łódź", "ł is l", "CLDR pl exemplars; typesense#1633"],
      ["zolty", "Żółty kubek", "ł is l, ż is z", "CLDR pl exemplars"],
      ["lozko", "Łóżko drewniane", "ł is l", "CLDR pl exemplars"],
      ["maslo", "Maślniczka masło", "ł is l", "CLDR pl exemplars"],
      ["krol", "Król Lew", "ó is o", "CLDR pl exemplars"],
      ["zaba", "Pluszowa Żaba", "ż is z", "CLDR pl exemplars"],
      ["swieca", "Świeca zapachowa", "ś is s", "CLDR pl exemplars"],
      ["laka", "Kwietna łąka", "ł is l, ą is a", "CLDR pl exemplars"],
      ["ŁÓŻKO", "Łóżko drewniane", "case", "Unicode case folding"],
      ["gesi", "Pasztet z gęsi", "ę is e", "CLDR pl exemplars"]
    ],
    apart: [
      ["kot", "Koc", "another letter in a word of three", "dictionary: kot, koc"],
      ["las", "Laska", "a beginning is not the word", "dictionary: las, laska"],
      ["lew", "Lewarek", "a beginning is not the word", "dictionary: lewarek"]
    ]
  },
  Turkish: {
    meets: [
      ["kirmizi", "Kırmızı elbise", "ı is i", "CLDR tr exemplars; normalize-diacritics#137"],
      ["KIRMIZI", "Kırmızı elbise", "I is the capital of ı", "Unicode SpecialCasing tr"],
      ["ısparta", "ISPARTA gülü", "I is the capital of ı", "Unicode SpecialCasing tr"],
      ["isparta", "ISPARTA gülü", "ı is i", "CLDR tr exemplars"],
      ["istanbul", "İstanbul tablo", "İ is the capital of i", "Unicode SpecialCasing tr"],
      ["ISTANBUL", "İstanbul tablo", "İ is i", "Unicode SpecialCasing tr"],
      ["canta", "Çanta deri", "cedilla", "CLDR tr exemplars"],
      ["ayakkabi", "Ayakkabı 42", "ı is i", "CLDR tr exemplars"],
      ["sise", "Cam şişe", "cedilla", "CLDR tr exemplars"],
      ["gomlek", "Gömlek", "diaeresis", "CLDR tr exemplars"]
    ],
    apart: [
      ["kır", "Kırmızı elbise", "a beginning is not the word", "dictionary: kır"],
      ["su", "Şubat takvimi", "a beginning is not the word", "dictionary: şubat"],
      ["oda", "Odun", "another word", "dictionary: oda, odun"]
    ]
  },
  Swedish: {
    meets: [
      ["smorrebrod", "Smørrebrød bricka", "ø is o", "CLDR da exemplars"],
      ["smörgås", "Smorgas", "rings and dots", "CLDR sv exemplars"],
      ["bjorn", "Bjørn plakat", "ø is o", "CLDR nb exemplars"],
      ["angstrom", "Ångström", "ring", "CLDR sv exemplars"],
      ["aeble", "Æble juice", "æ is ae", "CLDR da exemplars"],
      ["kott", "Kött kniv", "diaeresis", "CLDR sv exemplars"],
      ["ol", "Öl glas", "diaeresis", "CLDR sv exemplars"],
      ["KÖTT", "Kött kniv", "case", "Unicode case folding"],
      ["köks", "Ko\u0308ks", "composed and decomposed", "UAX 15"],
      ["thor", "Þor figur", "þ is th", "CLDR is exemplars"]
    ],
    apart: [
      ["ost", "Kosta", "a part is not the word", "dictionary: ost"],
      ["stol", "Stolpe", "a beginning is not the word", "dictionary: stol, stolpe"],
      ["bro", "Smørrebrød bricka", "a part is not the word", "dictionary: bro"]
    ]
  },
  Japanese: {
    meets: [
      ["ケース", "パソコンケース", "no spaces", "lunr-languages#89"],
      ["パソコン", "パソコンケース", "no spaces", "lunr-languages#89"],
      ["ﾊﾟｿｺﾝ", "パソコンケース", "half width is full width", "Unicode half-width forms, NFKC"],
      ["ハ\u309aソコン", "パソコンケース", "composed and decomposed", "UAX 15"],
      ["携帯", "携帯電話カバー", "no spaces", "blume#125"],
      ["電話", "携帯電話カバー", "no spaces", "blume#125"],
      ["タオル", "バス タオル", "spaces as well", "dictionary: タオル"],
      ["usb", "USBケーブル", "scripts end words", "blume#125"],
      ["ケーブル", "USBケーブル", "the sign of a long vowel is part of its letter", "Unicode U+30FC"],
      ["ビール", "生ビール", "no spaces", "dictionary: ビール"]
    ],
    apart: [
      ["ハス", "バス タオル", "dakuten make another letter: lotus, bath", "Unicode U+3099"],
      ["ヘン", "ペン 赤", "handakuten make another letter: odd, pen", "Unicode U+309A"],
      ["カキ", "ガキ", "dakuten make another letter: oyster, brat", "Unicode U+3099"],
      ["ハン", "パン", "handakuten make another letter: seal, bread", "Unicode U+309A"]
    ]
  },
  Chinese: {
    meets: [
      ["手机", "华为手机壳", "no spaces", "open-knowledge#903"],
      ["手机壳", "华为手机壳", "no spaces", "open-knowledge#903"],
      ["耳机", "蓝牙耳机", "no spaces", "byterover-cli#712"],
      ["蓝牙", "蓝牙耳机", "no spaces", "byterover-cli#712"],
      ["蓝牙 耳机", "蓝牙耳机", "spaces in the query", "byterover-cli#712"],
      ["充电器", "快速充电器", "no spaces", "dictionary: 充电器"],
      ["ｉＰｈｏｎｅ", "苹果 iPhone 手机", "full width is half width", "Unicode full-width forms, NFKC"],
      ["usb", "USB充电线", "scripts end words", "open-knowledge#903"],
      ["充电线", "USB充电线", "scripts end words", "open-knowledge#903"],
      ["壳", "壳", "a single character", "dictionary: 壳"]
    ],
    apart: [
      ["机手", "华为手机壳", "the order of characters", "no such word"],
      ["耳朵", "蓝牙耳机", "one character of two", "dictionary: 耳朵"],
      ["电视", "电脑 电影", "both characters, apart", "dictionary: 电视"]
    ]
  },
  Thai: {
    meets: [
      ["กระเป๋า", "กระเป๋าสะพาย", "no spaces", "lunr-languages#89"],
      ["สะพาย", "กระเป๋าสะพาย", "no spaces", "lunr-languages#89"],
      ["รองเท้า", "รองเท้าวิ่ง", "no spaces", "Royal Institute Dictionary"],
      ["วิ่ง", "รองเท้าวิ่ง", "no spaces", "Royal Institute Dictionary"],
      ["เสื้อ", "เสื้อยืด", "no spaces", "Royal Institute Dictionary"],
      ["ข้าว", "หม้อหุงข้าว", "no spaces", "Royal Institute Dictionary"],
      ["น้ำ", "แก้วน้ำ", "sara am in two forms", "Unicode U+0E33, NFKC"],
      ["ม้า", "ตุ๊กตาม้า", "no spaces", "Royal Institute Dictionary"],
      ["usb", "สายชาร์จUSB", "scripts end words", "Unicode scripts"],
      ["สายชาร์จ", "สายชาร์จUSB", "scripts end words", "Unicode scripts"]
    ],
    apart: [
      ["เสือ", "เสื้อยืด", "a tone mark makes another word: tiger, shirt", "Royal Institute Dictionary"],
      ["ขาว", "หม้อหุงข้าว", "a tone mark makes another word: white, rice", "Royal Institute Dictionary"],
      ["มา", "ตุ๊กตาม้า", "a tone mark makes another word: come, horse", "Royal Institute Dictionary"]
    ]
  },
  Hindi: {
    meets: [
      ["मोबाइल", "मोबाइल कवर", "as written", "dictionary: मोबाइल"],
      ["किताब", "किताब काला", "as written", "dictionary: किताब"],
      ["सा\u095cी", "साड\u093cी लाल", "nukta composed and decomposed", "Unicode composition exclusions"],
      ["साड\u093cी", "सा\u095cी नीला", "nukta composed and decomposed", "Unicode composition exclusions"],
      ["चाय", "चाय पत्ती", "as written", "dictionary: चाय"],
      ["पत्ती", "चाय पत्ती", "a virama inside the word", "Unicode U+094D"],
      ["बोतल", "पानी बोतल", "as written", "dictionary: बोतल"],
      ["कुर्ता", "कुर्\u200dता", "a joiner that no one sees", "Unicode U+200D"],
      ["दाल", "दाल 1kg", "as written", "dictionary: दाल"],
      ["kg 1 दाल", "दाल 1 kg", "scripts side by side", "Unicode scripts"]
    ],
    apart: [
      ["कतब", "किताब काला", "without vowel signs it is another word", "Unicode Mc: U+093F"],
      ["मबइल", "मोबाइल कवर", "without vowel signs it is another word", "Unicode Mc: U+094B"],
      ["दल", "दाल 1kg", "a vowel sign makes another word: group, lentils", "dictionary: दल, दाल"]
    ]
  },
  Others: {
    meets: [
      ["dong ho", "Đồng hồ nam", "đ is d, and tones", "CLDR vi exemplars"],
      ["이어폰", "블루투스이어폰", "words that are written together", "byterover-cli#712"],
      ["елка", "Ёлка", "ё is mostly written е", "CLDR ru exemplars"],
      ["headphones", "Head\u00adphones", "a soft hyphen is not seen", "Unicode default ignorables"],
      ["headphones", "Head\u200bphones", "a zero-width space is not seen", "Unicode default ignorables"],
      ["كتاب", "کتاب", "Persian kaf", "CLDR fa exemplars"],
      ["ciudad", "CIUDAD DE MÉXICO", "case", "Unicode case folding"],
      ["c++", "C++ primer", "signs after a letter belong to the word", "typesense#249"]
    ],
    apart: [
      ["мои", "Мой", "й is another letter than и: my (plural), my", "CLDR ru exemplars"],
      ["이어폼", "블루투스이어폰", "another syllable", "no such word"],
      ["c++", "C language", "a sign makes another word", "typesense#249"]
    ]
  }
}

const settings = EngineSettings.defaults

const catalogueOf = (titles: ReadonlyArray<string>) => {
  const builder = new Builder(settings)
  titles.forEach((title, n) =>
    Result.getOrThrow(
      builder.add({ docId: String(n), text: { title }, keywords: {}, numbers: {}, popularity: 0 })
    )
  )
  const built = builder.finish()
  const postings = [...built.postings()]
  const columns = [...built.columns()]
  const loader = new SegmentLoader(built.summary())
  loader.postings(postings)
  loader.columns(columns)
  const segment = loader.finish()
  const searcher = new Searcher(segment.summary)
  return (query: string): ReadonlyArray<string> =>
    Result.getOrThrow(
      searcher.resident(segment, { ...SearchRequest.defaults, query, match: "all", limit: 200 })
    ).hits.map(({ ordinal }) => titles[ordinal ?? -1] ?? "")
}

describe("A shopper's word meets what is the same for a reader, and nothing else, in", () => {
  for (const [language, { apart, meets }] of Object.entries(languages)) {
    it(`${language}`, () => {
      const search = catalogueOf([...new Set([...meets, ...apart].map(([, title]) => title))])
      for (const [query, title, reason, source] of meets) {
        assert.include(search(query), title, `${query}: ${reason} (${source})`)
      }
      for (const [query, title, reason, source] of apart) {
        assert.notInclude(search(query), title, `${query}: ${reason} (${source})`)
      }
    })
  }
})
