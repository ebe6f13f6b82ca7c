"""What was asked cannot be done as asked: the request is at fault. Knows no sentence."""

from __future__ import annotations

from dataclasses import dataclass

from fabula.core.errors.base import FabulaError
from fabula.core.texts import Phrase


class BadRequest(FabulaError):
    status = 400


@dataclass(eq=False)
class BadParameter(BadRequest):
    """`value` is what came, `expected` what is accepted ("a number from 0 to 2")."""

    name: str
    value: str
    expected: Phrase | str


@dataclass(eq=False)
class ContextExceeded(BadRequest):
    prompt_tokens: int
    context: int


@dataclass(eq=False)
class UnknownSource(BadRequest):
    source: str


@dataclass(eq=False)
class CatalogInvalid(BadRequest):
    """A person's own list of well-known models, or what is added to it; `reason` names entry and field."""

    file: str
    reason: str


@dataclass(eq=False)
class TemplateRefused(BadRequest):
    """The model's chat template does not accept these messages; `reason` is its own."""

    reason: Phrase | str


@dataclass(eq=False)
class AdapterUnfit(BadRequest):
    """The adapter was made for another model."""

    adapter: str
    model: str
    reason: Phrase | str


@dataclass(eq=False)
class AdapterUnusable(BadRequest):
    """The file or folder is no adapter that can be used here, whatever the model."""

    adapter: str
    reason: Phrase | str


@dataclass(eq=False)
class DraftUnfit(BadRequest):
    """The draft model cannot guess what this model writes."""

    draft: str
    model: str
    reason: Phrase | str


@dataclass(eq=False)
class CannotQuantize(BadRequest):
    """Its files are damaged, of another format, or hold numbers that are none."""

    name: str
    reason: Phrase | str


@dataclass(eq=False)
class CannotConvert(BadRequest):
    """The folder cannot become a GGUF file: its family, its tokenizer or its tensors are not known."""

    name: str
    reason: Phrase | str


@dataclass(eq=False)
class QuantizedAlready(BadRequest):
    """Quantizing what was quantized before makes it worse than its new type has to be."""

    name: str
    quantization: str


@dataclass(eq=False)
class NeedsImportance(BadRequest):
    """With so few bits the result is useless without an importance matrix."""

    type: str
    tensor: str  # the first that needs it


@dataclass(eq=False)
class ImportanceUnusable(BadRequest):
    """The importance matrix cannot be read, or was made from another model."""

    file: str
    reason: Phrase | str


@dataclass(eq=False)
class PromptsUnusable(BadRequest):
    """A set of prompts from which nothing can be learned; `reason` also tells the way out."""

    source: str
    reason: Phrase | str


@dataclass(eq=False)
class WeightsUnusable(BadRequest):
    """Numbers of a model, or of a direction, that cannot be read or computed with."""

    name: str
    reason: Phrase | str


@dataclass(eq=False)
class CannotStream(BadRequest):
    """A folder whose layers cannot be read one by one."""

    name: str
    reason: Phrase | str


@dataclass(eq=False)
class UnknownWriter(BadRequest):
    """A tensor that may write into the residual stream, and of which no rule says so."""

    tensor: str
    shape: str


@dataclass(eq=False)
class TooCoarse(BadRequest):
    """Weights with so few bits that the work would be spoilt; `way` says by how much, and better ways."""

    name: str
    type: str
    needed: str
    way: Phrase | str


@dataclass(eq=False)
class CannotAdd(BadRequest):
    """A model in whose files nothing comes to the same as a direction that is added to what its layers
    give."""

    name: str
    reason: Phrase | str


@dataclass(eq=False)
class DirectionUnfit(BadRequest):
    """A direction that was learned from a model of another shape."""

    name: str
    model: str
    reason: Phrase | str


@dataclass(eq=False)
class BansWithForm(BadRequest):
    """Texts are banned, and the reply must have a form: going back would begin the form anew."""

    form: str  # the parameter that asks for it


@dataclass(eq=False)
class CardUnreadable(BadRequest):
    """`name` is that of the file."""

    name: str
    reason: Phrase | str


@dataclass(eq=False)
class LorebookUnreadable(BadRequest):
    """`name` is that of the file."""

    name: str
    reason: Phrase | str


@dataclass(eq=False)
class TemplateUnreadable(BadRequest):
    """`name` is that of the file."""

    name: str


@dataclass(eq=False)
class NeedsYes(BadRequest):
    """What deletes a file asks first, and nobody sits at a terminal to answer. `size` is bytes."""

    name: str
    size: int


@dataclass(eq=False)
class NobodyAnswers(BadRequest):
    """In this group the person says who answers, or everybody is muted. `able` lists those who can."""

    able: str


@dataclass(eq=False)
class ChatUnreadable(BadRequest):
    """`name` is that of the file."""

    name: str
    reason: Phrase | str


@dataclass(eq=False)
class PictureUnusable(BadRequest):
    """A picture that is none, or too large to be made small."""

    name: str
    reason: Phrase | str


@dataclass(eq=False)
class FolderUnreadable(BadRequest):
    """A folder of another program that cannot be taken over."""

    folder: str
    reason: Phrase | str


@dataclass(eq=False)
class BodyTooLarge(BadRequest):
    status = 413
    limit: int  # bytes


@dataclass(eq=False)
class CannotEmbed(BadRequest):
    """`able` lists the models of this machine that can, separated by commas ("–" when there is none)."""

    name: str
    able: str


@dataclass(eq=False)
class CannotRerank(BadRequest):
    name: str
    able: str


@dataclass(eq=False)
class SeesNoImages(BadRequest):
    """It has no projector beside it."""

    name: str


@dataclass(eq=False)
class WritesNoText(BadRequest):
    """An embedding or reranking model was asked for a reply."""

    name: str


@dataclass(eq=False)
class CannotTokenize(BadRequest):
    """Its engine tells no tokens."""

    name: str


@dataclass(eq=False)
class NoOutlook(BadRequest):
    """Its engine tells no probabilities of the next word."""

    name: str
    engine: str


@dataclass(eq=False)
class OnlyConverses(BadRequest):
    """A raw prompt was sent to a server that takes only messages."""

    name: str


@dataclass(eq=False)
class RunsElsewhere(BadRequest):
    """What was asked needs the model's files, and they are on another machine."""

    name: str
    server: str


@dataclass(eq=False)
class RemoteUnknown(BadRequest):
    """Nothing that answers at the address is a server that can be talked to; `able` lists the kinds."""

    address: str
    able: str


@dataclass(eq=False)
class ModelfileUnreadable(BadRequest):
    line: int
    text: str


@dataclass(eq=False)
class GoTemplateUnknown(BadRequest):
    """A chat template in the language of Ollama; `part` is the first piece of it that is not understood."""

    part: str


@dataclass(eq=False)
class CannotPush(BadRequest):
    name: str


@dataclass(eq=False)
class DigestDiffers(BadRequest):
    """What was sent is not what its address says; both are SHA-256."""

    expected: str
    actual: str


@dataclass(eq=False)
class RowsUnreadable(BadRequest):
    """A table whose rows cannot be read; `row` counts from 1 without the header, 0 = the file as a whole."""

    name: str
    row: int
    reason: Phrase | str

    @property
    def key(self) -> str:
        return super().key if self.row else "errors.rows_unreadable_whole"


@dataclass(eq=False)
class ColumnMissing(BadRequest):
    """A template needs a column that a row does not have; `known` lists those of the table."""

    column: str
    row: int  # from 1
    known: str


@dataclass(eq=False)
class RowTemplateUnusable(BadRequest):
    """The text of a batch with places for columns."""

    reason: Phrase | str


@dataclass(eq=False)
class FillsNoGaps(BadRequest):
    """It has no tokens for the text before, behind and in a gap; `able` lists the models that have."""

    status = 501
    name: str
    able: str


@dataclass(eq=False)
class SlotsAreKept(BadRequest):
    """A client wants to save, restore or erase a slot of the engine."""

    status = 501
    action: str


@dataclass(eq=False)
class PropsAreFixed(BadRequest):
    """A client wants to change llama.cpp's global properties."""

    status = 501
