"""Which of three languages a text is in: by its characters, and English by its small words too. Knows no
model.

A rule that counts, no judge: it tells Traditional from Simplified Chinese and both from English, which is
what models slip into, and says of anything else only that it is something else.
"""

from __future__ import annotations

import re

TRADITIONAL = frozenset(
    "們這個說來對時為國會後學沒過還樣經點見現實開關問題間長門車東書買賣話語讀寫聽聲體頭顏風飛馬魚鳥雞麵飯"
    "館錢銀鐵電燈熱歡愛親兒媽爺孫師醫藥區鄉縣鎮邊遠運進達選遊樂歷歲陽陰陣隊階際難離雙雜靜響頁順須預領類願"
    "顯驚驗龍氣漢溫濕潔滿濃畫當療發盡盤眾確禮種穀節築簡糧紅級紙細終組結給統絲綠線緣練總織繼續羅習聖聞臉興舊"
    "舉葉藝蘭處號蟲術衛裝複覺觀訂計記許設試該認誰調談請論證譜讓豐貓財貨貴費賞質贏趕軍輕輪輸農連適鄰釣鏡閃陸"
    "隨隱亞劇勝勞勢動務嗎嗚圖團園圍報場塊壓壞夢夠奪婦嬌寧審寶將專尋導屆屬島幫幾廣廳彈彎強從復應懷戰戲擁擇擊"
    "擔據擴攝敗敵數斷於暫條楊極構槍標樹橋機檢權歸殺毀氫滅漸潛灣為煙煩燒爾爭牆狀獨獎獲環產異眼睜瞭矚礎穩競筆"
    "範純納紛絕維網編縮縱績罰聯職脫腦與萬葡藍補製見規視訊訴詞詢詩誠誤課謝議識護負貝責貼賀賓賽贈躍辦辭違遞遲"
    "遺郵釋針鋼鍋錄錯鍵鍾鎖鏈陳險雖雲靈頓額飲飾餅養餓館駕騎騙鬆鬧魯鮮鴨麗黃齊齒樓鐘蓋禦"
)
"""Characters of Traditional Chinese that Simplified Chinese writes otherwise; the usual ones, not all."""

SIMPLIFIED = frozenset(
    "们这个说来对时为国会学么没过还样经点见现实开关问题间长门车东书买卖话语读写听声体头颜风飞马鱼鸟鸡饭馆钱"
    "银铁电灯热欢爱亲儿妈爷孙师医药区乡县镇边远运进达选乐历岁阳阴阵队阶际难离双杂静响页顺须预领类愿显惊验龙"
    "气汉温湿洁满浓画当疗发尽盘众确礼种节筑简粮红级纸细终组结给统丝绿线缘练总织继续罗习圣闻脸兴旧举叶艺兰处"
    "号虫术卫装复觉观订计记许设试该认谁调谈请论证谱让丰猫财货贵费赏质赢赶军轻轮输农连适邻钓镜闪陆随隐亚剧胜"
    "劳势动务吗图团园围报场块压坏梦够夺妇宁审宝将专寻导届属岛帮广厅弹弯强从应怀战戏拥择击担据扩摄败敌数断暂"
    "条杨极构枪标树桥机检权归杀毁灭渐潜湾烟烦烧尔争墙状独奖获环产异础稳竞笔范纯纳纷绝维网编缩纵绩罚联职脱脑"
    "万蓝补制规视讯诉词询诗诚误课谢议识护负责贴贺宾赛赠跃办辞违递迟遗邮释针钢锅录错键锁链陈险虽灵顿额饮饰饼"
    "养饿驾骑骗松闹鲁鲜鸭丽黄齐齿楼钟盖"
)

ONLY_TRADITIONAL = TRADITIONAL - SIMPLIFIED
ONLY_SIMPLIFIED = SIMPLIFIED - TRADITIONAL - frozenset("制复松范尽")  # which Traditional Chinese has as well

HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
WORD = re.compile(r"[A-Za-zÀ-ɏ]+(?:['’][A-Za-z]+)*")
_SMALL = (
    "a about all an and are as at be but by can do for from has have he her his how i if in is it its me my "
    "no not of on one or out she so some than that the their them then there they this to up was we were "
    "what when which will with you your"
)
SMALL = frozenset(_SMALL.split())
"""Words that English hardly does without."""

MOSTLY = 0.7  # of what can be counted
SMALL_SHARE = 0.15  # of English words; stories have 0.3 to 0.5, lists less
TELLING = 8  # words from which on the small ones are looked for


def speaks(text: str, language: str) -> bool:
    """Whether a text is in the language: "en", "zh-Hant" or "zh-Hans". A text without letters is in none;
    Chinese of characters that both ways of writing share is in both."""
    han, words = HAN.findall(text), WORD.findall(text)
    others = _others(text)
    whole = len(han) + len(words) + others
    if not whole:
        return False
    if language == "en":
        return len(words) / whole >= MOSTLY and _is_english(words)
    return len(han) / whole >= MOSTLY and _is_written(han, language)


def _others(text: str) -> int:
    """Letters of other scripts."""
    rest = WORD.sub("", HAN.sub("", text))
    return sum(letter.isalpha() for letter in rest)


def _is_english(words: list[str]) -> bool:
    small = sum(word.lower() in SMALL for word in words)
    return len(words) < TELLING or small / len(words) >= SMALL_SHARE


def _is_written(han: list[str], language: str) -> bool:
    traditional = sum(character in ONLY_TRADITIONAL for character in han)
    simplified = sum(character in ONLY_SIMPLIFIED for character in han)
    return traditional >= simplified if language == "zh-Hant" else simplified >= traditional
