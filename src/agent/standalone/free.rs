//! Words that carry no meaning of their own: a rewritten question may have others of them than what was asked.

/// English function words, what is left of contractions, and words for the conversation and its image.
const ENGLISH: &str = "\
    a an the this that these those it its they them their theirs he him his she her hers we us our you your i me my \
    one ones there here is are was were be been being am do does did has have had can could will would shall should \
    may might must of in on at to for from with by as about and but or so if then what which how much many any some \
    also too again now please ok okay well instead else same other others another see tell \
    image images picture pictures photo photos photograph photographs pic pics \
    s t re ve ll d m don isn aren wasn weren doesn didn hasn haven hadn couldn wouldn shouldn";
/// Those of German, French, Spanish, Italian and Portuguese that stand in most questions.
const EUROPEAN: &str = "\
    der die das dem des ein eine einen einem einer und oder auch von vom im in auf aus mit zu zum ist sind es sie \
    er ihm ihr ihnen ihre davon wie viele viel was welche welcher welches bild foto \
    le la les l un une des du de d et ou aussi dans sur avec est sont il elle ils elles leur y en a combien que quel \
    quelle quels quelles ce cette ces qu \
    el los las lo una unos unas del al y o también con es está están que qué cuál cuáles cuántos cuántas su sus \
    imagen imágenes foto fotos \
    gli i uno della delle degli dei nel nella nell sul sulla sono c è ci che quanti quante quale quali suo loro e \
    os as um uma do da dos das no na nos nas são há quantos quantas qual quais seu seus suas imagem imagens";
/// Korean words that stand in most questions.
const KOREAN: &str = "\
    이 그 저 것 그것 그들 그중 그중에 중 중에 중에서 그리고 몇 명 개 명이 개가 명의 개의 무엇 뭐 어떤 어느 있나요 있습니까 있어요 인가요 입니까 \
    사진 사진에 사진에는 그림 그림에 이미지 이미지에 안에 에는";
/// Chinese and Japanese characters of the same kind, in simplified form. 不 and 沒 ask as often as they deny, and denials
/// are looked at by themselves.
const HAN: &str = "\
    的了吗呢吧啊么是在有这那哪些个位只张辆把条件本杯份顶台名几多少谁什怎样为何如和与跟及或还也又再就从到对于中里内上面\
    之其它他她们您你我所以而且但被得地着过会能可要请看见出总共一数量目图片照相像画影写真同另别枚匹不没否";

/// Whether a word carries no meaning of its own.
pub(super) fn is_free(word: &str) -> bool {
    [ENGLISH, EUROPEAN, KOREAN].iter().any(|list| list.split_ascii_whitespace().any(|free| free == word))
}

/// Whether a character of a script without spaces carries no meaning of its own: it is listed, or one of hiragana.
pub(super) fn is_free_sign(sign: char) -> bool {
    HAN.contains(sign) || matches!(sign, '\u{3041}'..='\u{309f}' | '・' | 'ー')
}
