/** Templates that every tenant has, until it publishes one of the same name. */
import * as Result from "effect/Result"
import { noticeTemplate } from "../../NotificationTemplate.ts"
import * as Message from "./message.ts"

/** The version that a trigger pins. Those of tenants begin at 1. */
export const builtInVersion = 0

const sources = {
  [noticeTemplate]: [
    {
      subject: "Your notification choices were changed",
      text:
        "These choices were changed:\n\n" +
        "{% for choice in choices %}- {{ choice.name }}: {% if choice.enabled %}on{% else %}off{% endif %}\n{% endfor %}\n" +
        "If this was not you, change them back here:\n{{ preferencesUrl }}\n",
      html:
        "<p>These choices were changed:</p>" +
        "<ul>{% for choice in choices %}<li>{{ choice.name }}: {% if choice.enabled %}on{% else %}off{% endif %}</li>{% endfor %}</ul>" +
        '<p>If this was not you, <a href="{{ preferencesUrl }}">change them back</a>.</p>'
    },
    {
      locale: "de",
      subject: "Ihre Einstellungen für Benachrichtigungen wurden geändert",
      text:
        "Diese Einstellungen wurden geändert:\n\n" +
        "{% for choice in choices %}- {{ choice.name }}: {% if choice.enabled %}an{% else %}aus{% endif %}\n{% endfor %}\n" +
        "Waren Sie das nicht, so ändern Sie sie hier zurück:\n{{ preferencesUrl }}\n",
      html:
        "<p>Diese Einstellungen wurden geändert:</p>" +
        "<ul>{% for choice in choices %}<li>{{ choice.name }}: {% if choice.enabled %}an{% else %}aus{% endif %}</li>{% endfor %}</ul>" +
        '<p>Waren Sie das nicht, so <a href="{{ preferencesUrl }}">ändern Sie sie zurück</a>.</p>'
    }
  ]
}

const compiled = new Map(
  Object.entries(sources).map(([name, contents]) => [
    name,
    Result.getOrThrowWith(
      Message.compile(contents, true),
      ({ message, part }) => new Error(`${part}: ${message}`)
    )
  ])
)

export const get = (template: string): Message.Compiled | undefined => compiled.get(template)
