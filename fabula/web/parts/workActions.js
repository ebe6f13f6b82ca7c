// What can be made and measured, and the work that runs, for the palette. Knows no kind.
// @ts-check
import { offer } from "../state/actions.js";
import { kinds, loadKinds } from "../state/jobs.js";
import { go } from "../state/route.js";
import { activeJobs, jobDo } from "../state/system.js";
import { t } from "../texts.js";

offer("work", () => [
  { id: "get a model", words: t("web.finding.title"), icon: "get", run: () => go("#/models//get") },
  { id: "all work", words: t("web.home.all_work"), icon: "lab", run: () => go("#/jobs") },
  ...(kinds.value ?? []).filter(({ kind }) => kind !== "pull").map(({ kind, title, room }) => ({ id: `kind ${kind}`, words: title, icon: "lab", run: () => go(room === "evals" ? "#/evals" : `#/lab/${kind}`) })),
  ...activeJobs.value.map((job) => ({ id: `cancel ${job.id}`, words: t("web.jobs.cancel_named", { title: job.title }), icon: "stop", run: () => jobDo(job, "cancel") })),
]);
loadKinds();
