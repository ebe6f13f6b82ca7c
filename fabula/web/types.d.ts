// The objects of docs/api.md.
export type Language = "en" | "zh-Hant" | "zh-Hans";
export interface Model {
  name: string; title: string; format: string; architecture: string; parameters: number; quantization: string;
  size: number; trained_context: number; licence: string; languages: string[]; has_chat_template: boolean;
  thinks: boolean; takes_tools: boolean; pooling: string; fills_gaps: boolean; sees_images: boolean; is_starter: boolean; loaded: boolean; busy: number; problem: string; path: string;
  place: string; base: string;
  elsewhere: null | { server: string; kind: string; host: string; reach: "machine" | "network" | "internet"; note: string };
}
export interface Device {
  name: string; weights: number; kv: number; compute: number; output: number; reserve: number; beside: number; repacked: number; total: number; available: number; memory: number;
}
export interface Plan {
  model: string; tier: string; verdict: "fits" | "tight" | "partial" | "no"; context: number; slots: number; gpu_layers: number;
  threads: number; kv_type: string; prompt_cache: number; largest_context: number; total: number; available: number;
  reasons: string[]; warnings: string[]; devices: Device[]; rough: boolean;
}
export interface DescribedModel extends Model { plan: Plan; engine: { name: string; reason: string; choices: string[] }; options: Record<string, any>; uses: string[] }
export interface Running {
  model: string; pid: number; busy: number; waiting: number; loaded_at: number; expires_at: number; memory: number; engine: string; why: string;
  plan: Plan; measured: Record<string, number>; reported: Record<string, Record<string, number>>; off: Record<string, number>;
}
export interface Adapter { name: string; title: string; problem: string; misfit: string; attached: boolean; scale: number | null }
export interface Knob {
  name: string; title: string; about: string; family: string; everyday: boolean; default: any; usual: any; neutral: any; needs: string[];
  kind: "number" | "whole" | "switch" | "either" | "choice" | "text" | "long_text" | "texts" | "ids" | "biases" | "steps";
  least: number | null; most: number | null; slider: null | { low: number; high: number; step: number }; heeded: "yes" | "exact" | "no";
}
export interface Knobs { families: { name: string; title: string }[]; knobs: Knob[]; steps: string[] }
export interface Foreseen {
  model: string; prompt_tokens: number; told: number; left: number; rest: { before: number; after: number };
  tokens: { id: number; text: string; before: number; after: number }[]; choices: { before: number; after: number };
  steps: { name: string; left: number; choices: number }[];
}
export interface Trait { kind: "adapter" | "vector"; name: string; title: string; usual: number }
export interface Traits {
  model: string; traits: Trait[]; exact: string; reread_tokens: number; character: null | { name: string; traits: Record<string, any> };
}
export interface WhyFix { text: string; sampling: Record<string, any>; model: string; load: Record<string, any> }
export interface WhyFinding { rule: string; weight: "likely" | "possible" | "note"; text: string; advice: string; fix: WhyFix | null }
export interface WhyAnswer { message_id: string; rules: number; findings: WhyFinding[] }
export interface Preset { name: string; title: string; about: string; sampling: Record<string, any>; built_in: boolean }
export interface Chat {
  id: string; title: string; model: string; system: string; sampling: Record<string, any>; head_id: string; revision: number;
  created_at: number; updated_at: number; can_undo: boolean; can_redo: boolean; turn_id: string; message_count: number;
  character_id: string; persona: { name?: string; description?: string }; folder: string; favourite: boolean;
  story: { layout?: Story["layout"]; group?: Group | null };
}
export interface Note { text: string; interval: number; place: number; depth: number; role: number; scanned: boolean }
export interface Group { members: { character_id: string; muted: boolean }[]; order: number; join: number; auto_s: number }
export interface Story {
  chat: string; revision: number; layout: "steady" | "text" | "messages"; context: string; instruct: string; prompts: string; persona_id: string;
  lorebooks: string[]; replies: string[]; note: Note; group: Group | null; scenario: string; starts_reply_with: string; pack: string; variables: Record<string, any>;
}
export interface Links { everywhere: boolean; characters: string[]; personas: string[] }
export interface Lorebook { id: string; name: string; size: number; revision: number; links: Links; entries?: Entry[] }
export interface Entry {
  uid: number; key: string[]; keysecondary: string[]; comment: string; content: string; constant: boolean; disable: boolean; order: number;
  position: number; depth: number; [field: string]: any;
}
export interface LoreTested {
  entries: { uid: string; book: string; label: string; told: boolean; reason: string; key: string; brought_by: string; step: number; tokens: number }[];
  tokens: number; budget: number; overflowed: boolean; searched: number; model: string; estimated: boolean; context: number;
}
export interface Persona {
  id: string; name: string; title: string; description: string; place: number; depth: number; role: number; picture: string; revision: number; links: Links;
}
export interface Character {
  id: string; name: string; creator: string; about: string; folder: string; favourite: boolean; picture: string; revision: number;
  created_at: number; updated_at: number; tags: string[];
}
export interface WholeCharacter extends Character {
  card: { data: Record<string, any>; [field: string]: any }; greetings: string[]; called: string; files: string[]; newer: boolean;
}
export interface Weighed {
  model: string; estimated: boolean; context: number; always: number;
  parts: { field: string; text: string; when: "always" | "greeting" | "room" | "key" | "never"; tokens: number }[];
}
export interface ListedChat extends Chat { preview: string; tags: string[] }
export interface Facts {
  model: string; finish_reason: "stop" | "length" | "loop" | "tool_calls" | "stopped" | "interrupted" | "error"; completion_tokens: number;
  engine?: string; effective?: Record<string, any>; ignored?: string[]; prompt_tokens?: number; reused_tokens?: number;
  processed_tokens?: number; first_token_ms?: number; tokens_per_second?: number; cut_messages?: number; cache?: "slot" | "disk" | "none" | "";
  cache_reason?: "" | "first" | "changed" | "rescaled" | "no_way_back" | "damaged" | "crowded";
  reasoning_tokens?: number; answer_read_again?: boolean; form_problem?: string; cost?: number | null; bans?: Bans | null;
  guessed_tokens?: number; guessed_right?: number; story?: StoryFacts | null;
  exact?: { needed: string[]; used: boolean; why: string } | null;
}
export interface StoryFacts {
  layout: Story["layout"]; broke: null | { part: string; message_id: string; reason: "changed" | "cut" | "tail" | "moves"; tokens: number };
  lore: string[]; fixed: string[]; estimated: boolean;
}
export interface Bans { rewrites: number; wasted_tokens: number; reread_tokens: number; unavoided: string[]; notes: string[] }
export interface Message {
  id: string; parent_id: string; role: "system" | "user" | "assistant"; author: string; text: string; version_id: string;
  version_reason: "written" | "generated" | "edited" | "continued" | "recovered"; versions: number; created_at: number;
  swipe: { index: number; count: number; ids: string[] }; facts: Facts | null; reasoning: string; shown?: string; checkpoint?: string; left_out?: boolean;
}
export interface Hit {
  number: number; chat_id: string; chat_title: string; character_id: string; message_id: string; role: Message["role"]; author: string; excerpt: string;
  match: [number, number] | null; created_at: number;
}
export interface Outline { revision: number; head_id: string; ids: string[]; parents: number[]; roles: Message["role"][]; checkpoints: Record<string, string> }
export interface Version { id: string; text: string; reason: Message["version_reason"]; created_at: number; facts: Facts | null; reasoning: string }
export interface Change { chat: Chat; message: Message | null; path_from: string }
export interface Turn { turn_id: string; message_id: string; message_ids: string[]; kind: "reply" | "swipe" | "continue"; change: Change; then?: string[] }
export interface Progress { done: number; total: number; unit: string; rate: number; seconds_left: number | null; note: string }
export interface Job {
  id: string; kind: string; state: "queued" | "running" | "done" | "failed" | "cancelled" | "interrupted"; title: string;
  progress: Progress; result: Record<string, any>; error: null | { code: string; message: string; fields: object };
  cancel_requested: boolean; created_at: number; updated_at: number;
}
export interface Suggestion {
  title: string; source: string; size: number; parameters: number; quantization: string; context: number;
  verdict: Plan["verdict"]; why: string; tasks: string[]; languages: string[]; approximate: boolean; speed: Fitted["speed"];
}
export interface Advised {
  name: string; source: string; quantization: string; size: number; approximate: boolean; parameters: number; licence: string; context: number;
  largest_context: number; verdict: Plan["verdict"]; tuned: boolean; bits: number; out: string; why: string[];
  speed: null | { written: [number, number]; written_full: [number, number]; read: [number, number]; basis: string };
}
export interface Advice { rule: string; basis: string; terms: string[]; best: Advised[]; out: Advised[] }
export interface Found {
  hub: "hf" | "ms"; name: string; source: string; downloads: number; likes: number; updated: string; licence: string; gated: boolean; parameters: number;
  architecture: string; context: number; formats: string[]; verdict: Plan["verdict"] | ""; plan: Plan | null;
}
export interface HubFile { path: string; size: number; sha256: string }
export interface Offer {
  source: string; name: string; format: string; quantization: string; size: number; files: HubFile[]; verdict: Plan["verdict"]; plan: Plan;
  basis: "header" | "proportion" | "size"; recommended: boolean; out: string;
}
export interface Offers {
  source: string; offers: Offer[]; recommended: string; why: string; needed: number; projector: null | HubFile; unneeded: (HubFile & { why: string })[];
  header_requests: number; free: number; folder: string;
}
export interface Download extends Omit<Job, "state"> { state: "waiting" | "running" | "paused" | "failed"; position: number; source: string }
export interface Place { place: string; title: string; folders: string[]; used: boolean; models: string[] }
export interface Machine {
  system: string; processor: string; cores: number; memory: number; memory_available: number;
  gpus: { name: string; memory: number; memory_free: number }[];
}
export interface System {
  version: string; home: string; languages: Language[]; starter: { present: boolean; name: string; size: number };
  machine: Machine; appearance: { shared: Look | null; style: string }; addresses: { studio: string; also: Record<string, string> }; running: Running[]; suggestions: Suggestion[]; rooms: string[];
  /** When this page asked for it: ms since it was opened. */
  asked_at: number;
  reach: { largest: string; largest_parameters: number; quick: string; quick_parameters: number };
}
export interface Remote {
  name: string; url: string; kind: string; label: string; host: string; reach: "machine" | "network" | "internet"; has_key: boolean;
  is_encrypted: boolean; at_a_time: number; patterns: string[]; models: string[]; asked_at: number;
}
export interface RemoteKind { kind: string; label: string }
export interface Setting {
  name: string; value: any; default: any; where: "default" | "file" | "environment" | "flag"; about: string; choices: string[]; is_time: boolean;
  expected: string; environment: string; holds: "now" | "load" | "start"; waits: boolean;
}
export interface Look {
  theme: string; accent: string; chat: "document" | "bubbles" | "novel"; reading: string; size: number; line: number; width: number;
  background: string; veil: number; avatars: boolean; times: boolean; numbers: boolean;
}
export interface Appearance {
  shared: Look | null; defaults: Look; choices: Record<string, { names?: string[]; low?: number; high?: number }>; style: string;
  pictures: { id: string; kind: string; size: number }[];
}
export interface Key { name: string; beginning: string; scopes: string[]; requests: string; tokens: string; created_at: number; expires_at: number; used_at: number }
export interface Reach {
  host: string; port: number; private: boolean; here: string; addresses: string[]; encrypted: boolean; certificate: string; key_on_loopback: boolean;
  keys: number; next: { host: string; private: boolean; encrypted: boolean };
}
export interface KeptBackup { name: string; size: number; created_at: number }
export interface Backups {
  folder: string; backups: KeptBackup[]; replaced: KeptBackup[]; restored: null | { name: string; at: number; kept: string; error: string };
}
export interface BackupInside { fabula: string; created_at: number; files: number; holds: Record<string, number>; now: Record<string, number> }
export interface Build { name: string; version: string; devices: string[]; uses_gpus: boolean; installed: boolean; in_use: boolean }
export interface HomePart { name: string; size: number; files: number }
export interface ImportReport {
  folder: string; kinds: { kind: string; taken: number; already: number; refused: { file: string; reason: string }[] }[];
  left: Record<string, number>; left_reasons: Record<string, string>; not_run: { file: string; replies: string }[];
}
export interface Segment { source: string; message_id: string; tokens: number; included: boolean; label: string; reason: string }
export interface LookedPrompt {
  model: string; layout: string; tokens: number; context: number; reply_room: number; estimated: boolean; cut_messages: number;
  broke: null | { part: string; reason: string; tokens: number }; fixed: string[]; segments: Segment[]; text: string;
  lore: { entry: string; label: string; told: boolean; reason: string; key: string; tokens: number }[];
}
export interface PlotAxis { label: string; unit: string; scale: "linear" | "log"; best: "" | "low" | "high"; from_zero: boolean }
export interface PlotPoint { x: number | string; y: number; low: number | null; high: number | null; label: string; to: number | null }
export interface PlotOf {
  kind: "lines" | "scatter" | "bars" | "pareto" | "histogram"; title: string; about: string; x: PlotAxis; y: PlotAxis;
  series: { name: string; points: PlotPoint[] }[];
}
export interface FieldOf {
  type?: string; title: string; description: string; default?: any; enum?: any[]; labels?: Record<string, string>; widget?: string; more?: boolean;
  formats?: string[]; empty?: string; minimum?: number; maximum?: number; unit?: string; items?: any; anyOf?: any[]; properties?: Record<string, FieldOf>; required?: string[];
}
export interface SchemaOf { type: "object"; properties: Record<string, FieldOf>; required: string[] }
export interface JobKind { kind: string; room: string; title: string; about: string; schema: SchemaOf }
export interface ProbeOf { probe: string; language: Language; groups: string[]; ask: string; expected: string; endings?: string[] }
export interface JobPage extends Job { arguments: Record<string, any>; plots: PlotOf[] }
export interface Fitted {
  model: Pick<Model, "name" | "title" | "architecture" | "parameters" | "quantization" | "size" | "trained_context">; layers: number; plan: Plan;
  arguments: string[]; hints: string[]; speed: null | { written: [number, number]; written_full: [number, number]; read: [number, number]; basis: string };
}
export interface Chapter {
  id: string; title: string; outline: string; notes: string; summary: string; version_id: string; characters: number; words: number;
}
export interface NovelSettings {
  language: Language; form: "auto" | "instruct" | "raw"; pack: string; prompt: string; outline: string; notes: string; facts: string[];
  lorebooks: string[]; user: string; summary: "off" | "auto"; words: number; recall: number; embedder: string; logprobs: number;
}
export interface Novel {
  id: string; kind: "novel" | "notebook"; title: string; model: string; sampling: Record<string, any>; settings: NovelSettings; chapters: Chapter[];
  revision: number; created_at: number; updated_at: number; can_undo: boolean; can_redo: boolean; trashed: boolean; characters: number;
  words: number; turn_id: string;
}
export interface ListedNovel { id: string; kind: Novel["kind"]; title: string; model: string; chapters: number; characters: number; words: number; updated_at: number }
export interface Passage {
  id: string; chapter_id: string; turn_id: string; number: number; kind: "continue" | "rewrite" | "expand"; start: number; before: string; replaced: string;
  instruction: string; text: string; reason: string; stands: boolean; created_at: number;
  facts: Omit<Facts, "story"> & { story?: (StoryFacts & { recalled?: string[]; cut_characters?: number }) | null };
}
export interface NovelMemory {
  embedder: null | { model: string; weak: boolean }; documents: { id: string; name: string; size: number; created_at: number }[];
  summaries: { chapter_id: string; title: string; text: string; covers: number; edited: boolean; stale: boolean }[]; writing: boolean;
  problem: null | { code: string; message: string };
}
export interface HeaderOf {
  kind: string; active_parameters: number; types: { name: string; tensors: number; parameters: number; size: number }[]; base_models: string[];
  method: string; bits: number; group_size: number; files: string[]; missing: string[]; safe: boolean; notes: string[];
}
export interface Direction {
  name: string; model: string; positive: string; negative: string; best: number; band: [number, number]; accuracy: number; separation: number; massive: number[];
  learned: number[]; held_out: number[]; recipe_hash: string; recipe: Record<string, any>; provenance: Record<string, Record<string, any>>; path: string; plots: PlotOf[]; missing: string[];
  layers: { accuracy: number; separation: number; component: number; distance: number; size: number; massive: number; next: number | null }[];
}
export interface ShippedSet { name: string; learned: number; held_out: number; examples: { positive: string[]; negative: string[] } }
export interface CountedPrompts { prompts: number; different: number; learned: number; held_out: number; examples: string[]; path: string }
export interface Ramp { peak: number; floor: number; middle: number; reach: number }
export interface SearchTrial {
  number: number; seed: number; parameters: Record<string, number | string>; trait: number; spread: number; kl: number; reply: string; is_silent: boolean; seconds: number;
  use: { scope: "global" | "layers"; strength: number; layer?: number; attention: boolean; mlp: boolean; attention_ramp?: Ramp; mlp_ramp?: Ramp };
}
export interface LookedEdit { name: string; tensors: number; parts: Record<string, number>; layers: number[]; numbers: number; size: number }
