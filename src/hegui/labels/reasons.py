"""Reasons: every code that a verdict may bear, what it means, and the clause behind it."""

from collections.abc import Mapping
from typing import Final

import msgspec

from hegui.language import Text


class Reason(msgspec.Struct, frozen=True):
    """What a code says, the clause it comes from (if any), and how sure we are of that (H, M, L)."""

    text: Text
    clause: Text
    confidence: str = "M"


_NONE: Final = Text(zh="", en="")

REASONS: Final[Mapping[str, Reason]] = {
    "missing": Reason(Text(zh="没有找到隐式标识", en="no implicit label was found"),
                      Text(zh="《人工智能生成合成内容标识办法》第五条；GB 45438-2025 第6.1条", en="Labelling Measures, Art. 5; GB 45438-2025, 6.1"), "H"),
    "duplicate": Reason(Text(zh="同一文件有不止一个隐式标识", en="the file has more than one implicit label"),
                        Text(zh="GB 45438-2025 第6.1条c）", en="GB 45438-2025, 6.1 c")),
    "disagreement": Reason(Text(zh="文件中的隐式标识互相矛盾", en="the labels in the file contradict one another"),
                           Text(zh="GB 45438-2025 第6.1条c）", en="GB 45438-2025, 6.1 c")),
    "wrong_slot": Reason(Text(zh="标识不在该格式规定的位置", en="the label is not in the place for this format"),
                         Text(zh="全国网安标委2025年8月28日发布的实践指南", en="TC260 practice guides of 28 August 2025")),
    "syntax": Reason(Text(zh="标识不是合法的 JSON 对象", en="the label is not a JSON object"),
                     Text(zh="GB 45438-2025 附录E b）", en="GB 45438-2025, Annex E b"), "H"),
    "type": Reason(Text(zh="字段的值不是字符串", en="a field is not a string"), Text(zh="GB 45438-2025 附录E", en="GB 45438-2025, Annex E")),
    "missing_field": Reason(Text(zh="缺少字段或必填字段为空", en="a field is missing, or empty though required"),
                            Text(zh="GB 45438-2025 附录E c）至i）", en="GB 45438-2025, Annex E c–i")),
    "unknown_field": Reason(Text(zh="有标准之外的字段", en="a field that the standard does not know"),
                            Text(zh="GB 45438-2025 附录E c）至i）", en="GB 45438-2025, Annex E c–i")),
    "enum": Reason(Text(zh="Label 的值不是 1、2 或 3", en="Label is not 1, 2 or 3"), Text(zh="GB 45438-2025 附录E c）", en="GB 45438-2025, Annex E c")),
    "charset": Reason(Text(zh="字段含有不允许的字符", en="a field holds characters that are not allowed"),
                      Text(zh="GB 45438-2025 附录E j）", en="GB 45438-2025, Annex E j")),
    "code_checksum": Reason(Text(zh="服务提供者编码不合编码规则", en="the provider code breaks the coding rules"),
                            Text(zh="网安秘字〔2025〕29号；GB 32100-2015", en="Coding rules of 14 March 2025; GB 32100-2015")),
    "own_convention": Reason(Text(zh="该格式尚无规定位置，按自有约定读写，不称合规",
                                  en="no place is laid down for this format: our own convention, not called compliant"),
                             _NONE, "H"),
    "no_slot": Reason(Text(zh="该格式没有可放标识的位置", en="this format has no place for a label"), _NONE, "H"),
    "wiped": Reason(Text(zh="标识的位置还在而内容被清空", en="the place of a label is there, but emptied"),
                    Text(zh="《人工智能生成合成内容标识办法》第十条", en="Labelling Measures, Art. 10"), "H"),
    "truncated": Reason(Text(zh="文件不完整", en="the file ends too early"), _NONE, "H"),
    "malformed": Reason(Text(zh="文件结构有误，无法判断", en="the file is malformed: nothing can be said"), _NONE, "H"),
    "over_limit": Reason(Text(zh="超出解析上限，无法判断", en="beyond the limits of the parser: nothing can be said"), _NONE, "H"),
    "unknown_format": Reason(Text(zh="不认识的文件格式", en="a format that is not known"), _NONE, "H"),
    "encrypted": Reason(Text(zh="文件已加密，无法读取", en="the file is encrypted and cannot be read"), _NONE, "H"),
}  # fmt: skip
