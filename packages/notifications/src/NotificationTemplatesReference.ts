/**
 * The prose of templates in the API reference.
 *
 * @since 0.1.0
 */
import * as Reference from "@hypermarket/core/Reference"
import { NotificationTemplatesApi } from "./NotificationTemplatesApi.ts"
import examples from "./NotificationTemplatesApi.examples.json" with { type: "json" }

/**
 * @category reference
 * @since 0.1.0
 */
export const reference = Reference.make(
  NotificationTemplatesApi,
  {
    templates: {
      draftTemplate: {
        summary: "Draft a template",
        description:
          "Adds a version as a draft: subject, text and `html` or `mjml` by locale, of which one has no locale. With `layout` the message is placed into the layout of that name, and has `html`, not `mjml`. With `kind` `layout` the version is a layout: each part has `{{ content }}` once, and sees `brand`, `recipient`, `unsubscribeUrl` and `preferencesUrl`, each of which may be empty. A part that cannot be parsed is refused with 422 `template-invalid`, which names part, line and column. With `payloadSchema` a trigger is refused whose payload does not fit. It is JSON Schema without references, combinations and patterns: `type`, `properties`, `required`, `additionalProperties`, `items`, `const`, `enum`, `format`, and bounds of lengths, items and numbers. Publish it next."
      },
      listTemplates: {
        summary: "List templates",
        description: "Returns versions by name, the newest version first, at most 200 per page."
      },
      getTemplate: { summary: "Get a version of a template", description: "Returns the version." },
      publishTemplate: {
        summary: "Publish a template",
        description:
          "Publishes the draft, with its MJML compiled to HTML, and archives the version before it. Triggers pin the published version of the template and of its layout; messages that wait keep theirs. A template whose layout is not published is refused. Publishing it again changes nothing."
      },
      archiveTemplate: {
        summary: "Archive a template",
        description:
          "Archives a version without another one in its place: the published version of a template takes no more triggers. One that published templates have as their layout, or that mappings send, is refused with 409 `template-in-use`, which names them. Messages that wait are sent. Archiving it again changes nothing."
      },
      previewTemplate: {
        summary: "Preview a template",
        description:
          "Renders any version for a payload, a locale and a time zone, in its layout as it is published, and sends nothing. A layout is shown around a sample. A mistake is answered as it would fail the message."
      }
    },
    branding: {
      set: {
        summary: "Set the branding",
        description:
          "Sets what templates and layouts see as `brand`, as a whole: `brand.name`, `brand.logoUrl` and so on; what is left out is null. It is read when a message is sent, so messages that wait have it too."
      },
      get: {
        summary: "Get the branding",
        description:
          "Returns the branding of the tenant. All is null, and `version` is 0, while none has been set."
      }
    }
  },
  {
    examples,
    problems: {
      "urn:hypermarket:problem:notifications:template-not-found": {
        cause: "The tenant has no such version of the template.",
        remedy: "List the templates to find name and version."
      },
      "urn:hypermarket:problem:notifications:template-invalid": {
        cause: "A part of the template cannot be parsed, or not be rendered for this payload.",
        remedy: "Correct the place that `part`, `line` and `column` name."
      },
      "urn:hypermarket:problem:notifications:template-in-use": {
        cause: "Published templates have it as their layout, or mappings send it.",
        remedy:
          "Publish another version of it, or first change the `templates` and `mappings` that are named."
      },
      "urn:hypermarket:problem:notifications:template-settled": {
        cause: "The version was archived: another one was published after it.",
        remedy: "Draft another version, and publish that."
      }
    }
  }
)
