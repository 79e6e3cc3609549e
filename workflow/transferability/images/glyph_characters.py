"""The characters that the source `glyphs` draws, by code point: letters, numbers, punctuation and
symbols in its typefaces, without those that look like another character or are drawn wrongly.

`tests/glyph_shapes.py` finds these characters by comparing drawings.
"""

import unicodedata

DISTINCT = (
    "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEGHJKLMNOPQRSTUVWXYZ[\\]^_`abdefghikmnpqrtuvy{|}~¢£¤¥¦§"
    "¨©ª«¬®¯±´µ¶¸º»¼½¾¿ÀÆÇÈÌÏÑÒ×ØÙÝÞßàäåæçèéìíîïðñó÷øùýþĄąĆćĎďēĘęĜĝĢĤĥĮĲĳĵĶķĸĹĺĻļľĿŀŁŅņŉŊŒœŔŕŖŗŚś"
    "ŝŞŢţŤťūůŲųŴŵŹźżƁƂƄƆƇƈƊƋƍƎƏƐƑƒƓƔƕƗƛƜƝƞơƢƣƤƦƧƩƪƭƯưƱƲƳƴƶƷƸƺƼƽƾƿǁǂǄǅǆǇǈǉǊǋǌǖǗǘǝǞǢǣǤǥǨǩǫǬǭǮǱǶǷǾǿȉ"
    "ȑȓșȜȝȡȢȣȤȥȨȪȫȴȵȶȸȹȺȻȾȿɀɁɂɄɆɇɊɋɎɏɐɑɒɕɖɗɘɚɝɞɠɣɤɥɧɩɪɬɮɯɰɱɲɳɵɶɷɸɹɺɻɽɾɿʁʂʃʇʌʍʎʏʐʑʓʔʕʖʙʚʛʝʞʟʣʤʥʦʧʨ"
    "ʩʪʫʬʭʮʯʰʷʹʺʻʽʾʿˁ˂˃˄˅ˆˇːˑ˖˘˚˛˜˝˞ˢˣ˥˦˧˨˩ˮͰͲͳͶͺͼͽ΅ΆΈΉΊΌΎΏΐΓΔΞΦΨΩάέήΰαβδζνξςτφχψωϋώϐϑϒϓϔϖϗϚϛϞϟϠϡ"
    "ϰϱϺϻЂЃЉЊЋЎДЖЙЛУЦЧЩЪЫЬЮЯдийлфъыьюяђљњћќџѢѣѤѪѬѰѱѵѶѷҍҐґғҔҕҖҘҙҚҞҠҢҤҦҬұҲҳҴҶҺӁӄӈӋӚӛӞӟӫӬӭӴӵӶӷӸԒԓԔԱԲ"
    "ԳԴԵԶԷԸԹԺԻԽԾԿՀՁՂՃՄՅՆՇՈՉՊՋՌՎՐՒՔՖ՜՞՟բդեէըթժիլխծկձճմնշչջվփքֆև฿ႠႡႢႣႤႥႦႧႨႩႪႫႬႮႯႰႱႲႳႴႵႶႷႸႺႼႽႾႿჀჁჂჃჄ"
    "Ⴥაბგდევზთიკლნოპჟრსტუფქღყშცძჭჯჰჱჲჴჵჶჸჹჺ჻ჼᴃᴈᴌᴒᴓᴔᴖᴗᴚᴝᴞᴟᴭᴰᴴᴸᴺᴾᴿᵃᵄᵆᵈᵉᵊᵍᵑᵒᵞᵠᵨᵷᶛᶜᶝᶡᶣᶤᶧᶪᶮᶯᶲᶶᶷᶹᶻᶿḀḁḂḃ"
    "ḄḅḇḈḉḋḌḍḏḔḕḙḜḝḟḣḥḨḭḸḾḿṂṃṈṋṔṕṜṝṞṟṥṦṧṨṩṫṳṼṽṾẈẊẋẍẒẓẔẕẘẙẚẞấẨẩẬậẳếỂốộờởỢợỨứỬỰỴỶỺỻἆἊἌἎἒἘἚἜἦἪἮἰἲἴἶἺ"
    "ἼὊὌὙὛὟὦὨὭὮὲὶᾀᾆᾈᾊᾍᾎᾘᾚᾞᾠᾦᾨᾪᾬᾮᾱᾳ᾽῁ῌ῍῎῏ῑ῞Ῥ῭ῳῶῼ῾‖“‟†‡‣‥…‰‱′‴‵‶‷‹›‼‽⁂⁄⁇⁈⁉⁋⁌⁍⁏⁑⁒⁗⁴⁹ⁿ₦€₯₴₸₹₺₽℃℉ℎ№™Ⅎ⅁"
    "⅃⅄⅋ⅎ⅑⅒⅔⅗⅘⅚⅞⅟ⅢⅣⅥⅦⅧⅨⅪⅫⅱⅲⅳⅵⅶⅷⅸⅺⅻↀↁↂↅ↉←↑→↓↖↗↘↙↚↛↜↝↢↣↤↥↦↧↩↪↫↬↭↮↯↰↱↲↳↴↵↶↷↸↹↺↻↼↽↾↿⇀⇁⇂⇃⇄⇅⇆⇇⇈⇉⇊⇋⇌⇍⇎⇏⇑"
    "⇓⇔⇖⇗⇘⇙⇚⇛⇞⇟⇤⇥⇦⇧⇨⇩⇪⇫⇭⇰⇱⇲⇳⇴⇵⇶⇷⇹⇿∀∂∄∇∈∉∋∌∏∐∑∓∔√∛∜∝∞∟∠∤∧∨∫∬∭∸∹∺∻∽≂≃≈≐≑≒≓≔≕≠≡≤≥⊂⊃⊄⊅⊆⊇⊌⊏⊐⊑⊒⊓⊔⊕⊖⊗⊘⊙⊚"
    "⊞⊟⊠⊡⊢⊣⊥⊦⊧⊨⊩⊪⊫⊬⊭⊮⊯⋄⌂⌐⌑⌘⌙⌡⌥⌨⍽⎛⎝⎞⎠⎡⎣⎤⎦⎨⎬⏏␣┄┅┆┇┈┉┌┍┎┏┐┑┒└┕┖┗┙┞┟┥┦┧┬┭┲┴┵┶┼╌╍╎═║╒╓╔╕╖╗╘╙╚╛╜╝╟╢╤╥╦╧"
    "╨╩╫╬╯╲╳╸╽╾▀▃▅▆▉▊░▒▓▙▚▛▜▞▟□▣▤▥▦▧▨▫▭▮▯▰▱▲△▵▷▹►▻▽▿◀◁◃◄◅◆◇◈◉◊○◌◍◎◐◑◒◓◔◕◖◗◘◙◚◛◜◝◞◟◠◡◢◣◤◥◧◨◩◪◫◬◭◮◰"
    "◱◲◳◴◵◶◷◸◹◺◿☀☸☹☺☻☼☿♀♁♂♃♄♅♆♇♠♡♢♣♤♥♦♧♩♪♫♬♭♮♯➡⟅⟆⟠⟰⟱⟲⟳⟴⟼⤆⤇⤊⤋⥀⧫⨌⨎⩪⩫⬀⬁⬂⬃⬄⬆⬇⬈⬉⬊⬋⬎⬏⬐⬑⬒⬓⬔⬕⬖⬗⬘⬙⬚ⱠⱡⱨⱪⱫⱲⱷ"
    "ⴀⴁⴃⴄⴅⴆⴇⴈⴉⴋⴌⴏⴐⴒⴓⴕⴖⴗⴘⴙⴜⴝⴟⴡⴢⴣⴤⴥ⸘⸟⸢⸣⸤⸥⸮ꙐꙑꙔꙕꙖꙗ꜍꜎꜏꜐꜑ꜛꜨꜩꜫꜰꜴꜶꜷꜸꜹꜼꜽꝆꝇꝊꝎꞂꞐꞑꞪꟼꟽꟿﬀﬁﬃﬅﬆ�"
)


def name(character: str) -> str:
    """The class name of a character, such as `U+0041 LATIN CAPITAL LETTER A`."""
    return f"U+{ord(character):04X} {unicodedata.name(character)}"


def group(character: str) -> str:
    """`letters` for the Unicode categories L*, `symbols` for all others."""
    return "letters" if unicodedata.category(character).startswith("L") else "symbols"


LETTERS, SYMBOLS = (
    [character for character in DISTINCT if group(character) == wanted]
    for wanted in ("letters", "symbols")
)


def symbol_count(classes: int, wanted: int | None) -> int:
    """The number of symbols among `classes` classes: `wanted`, or half of the classes for None. If
    there are not enough letters or symbols, the other group fills the gap."""
    count = min(classes // 2 if wanted is None else wanted, classes, len(SYMBOLS))
    return max(count, classes - len(LETTERS))
