"""Words that lean on what came before when a sentence opens with them, by language; function words only.

A language that is not here has none: its sentences all count as standing alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from clip_platform.selection.vocabulary import word_set


@dataclass(frozen=True, slots=True)
class Openers:
    """`strong`: the sentence cannot be understood alone; `soft`: it may; `standing`: phrases that begin with such a
    word and stand alone; `hanging`: a sentence cannot end with these."""

    strong: frozenset[str]
    soft: frozenset[str]
    standing: tuple[str, ...] = ()
    hanging: frozenset[str] = frozenset()


_BY_LANGUAGE: Mapping[str, Openers] = {
    "en": Openers(
        strong=word_set(
            """
            and but or nor because cause he she him her his hers they them their theirs which whose that's those also
            too however therefore otherwise instead plus then thus hence neither likewise meanwhile besides except
            exactly yes yeah yep no nope he's she's they're it's he'd she'd they'd they've he'll she'll they'll
            """
        ),
        soft=word_set("so it this these that there's well right anyway still though again it'll its"),
        standing=("so far", "no one", "no matter", "it turns out", "it is said", "this is a story", "this week",
                  "this year", "this morning", "this month", "right now", "well done", "this is how", "this is why",
                  "this video", "that said"),
        hanging=word_set("and but or because so the a an of to in with for if that which as than"),
    ),
    "de": Openers(
        strong=word_set(
            """
            und aber oder denn sondern weil er ihn ihm ihr ihre ihren sein seine deshalb deswegen daher darum trotzdem
            dennoch außerdem auch sonst stattdessen dann danach davor dabei dadurch dafür dagegen damit daran darauf
            ja nein genau eben doch
            """
        ),
        soft=word_set("also es das dies diese dieser dieses so nun na gut jedenfalls sie"),
        standing=("das heißt nicht", "es gibt", "es war einmal", "diese woche", "dieses jahr", "so weit"),
        hanging=word_set("und aber oder weil dass der die das ein eine von zu in mit für wenn als den dem"),
    ),
    "es": Openers(
        strong=word_set(
            """
            y e pero o u ni porque él ella ellos ellas su sus lo la los las le les sino además también tampoco entonces
            luego después sí no exacto exactamente aunque
            """
        ),
        soft=word_set("así pues bueno eso esto esta este estos estas ese esa"),
        standing=("no hay", "no todo", "no se puede", "la gente", "los que", "las personas", "lo primero", "lo que",
                  "la verdad", "la vida", "el", "esta semana", "este año"),
        hanging=word_set("y pero o porque que de a en con para si el la los las un una"),
    ),
    "fr": Openers(
        strong=word_set(
            """
            et mais ou ni car parce il elle ils elles lui leur son sa ses leurs donc alors ensuite puis aussi
            d'ailleurs pourtant cependant sinon oui non exactement voilà
            """
        ),
        soft=word_set("ça cela c'est ce cette ces bon bref enfin ben"),
        standing=("il y a", "il faut", "il était une fois", "ce matin", "cette semaine", "cette année"),
        hanging=word_set("et mais ou parce que de à en avec pour si le la les un une des du"),
    ),
    "it": Openers(
        strong=word_set(
            """
            e ed ma o oppure né perché lui lei loro suo sua suoi sue quindi allora poi anche inoltre invece però
            comunque sì no esatto infatti
            """
        ),
        soft=word_set("così questo questa questi queste quello quella bene beh ecco"),
        standing=("questa settimana", "quest'anno", "no grazie"),
        hanging=word_set("e ma o perché che di a in con per se il la lo i gli le un una"),
    ),
    "pt": Openers(
        strong=word_set(
            """
            e mas ou nem porque ele ela eles elas seu sua seus suas então depois também além entretanto porém contudo
            sim não exatamente aliás
            """
        ),
        soft=word_set("assim isso isto este esta esse essa bom bem"),
        standing=("não há", "esta semana", "este ano"),
        hanging=word_set("e mas ou porque que de a em com para se o os as um uma"),
    ),
    "nl": Openers(
        strong=word_set(
            """
            en maar of want omdat hij hem zijn haar zij hun dus daarom daardoor daarna toen dan ook bovendien toch
            anders ja nee precies
            """
        ),
        soft=word_set("het dit dat deze die zo nou goed ze"),
        standing=("het is zo dat", "deze week", "dit jaar"),
        hanging=word_set("en maar of omdat dat de het een van te in met voor als"),
    ),
}  # fmt: skip
_NONE = Openers(frozenset(), frozenset())

LANGUAGES = tuple(_BY_LANGUAGE)


def openers_of(language: str) -> Openers:
    """Of a plain code such as `en`."""
    return _BY_LANGUAGE.get(language, _NONE)
