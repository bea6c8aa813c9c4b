import { CopyButton } from "../../ui/CopyButton";
import { useClient, useStore } from "../useClient";

interface Snippet {
    title: string;
    note: string;
    text: string;
}

/* What a program needs to talk with this server, ready to be used. */
export function snippetsOf(origin: string, model: string): Snippet[] {
    return [
        {
            title: "curl",
            note: "OpenAI-compatible, streaming",
            text: `curl ${origin}/v1/chat/completions \\
  -H 'Content-Type: application/json' \\
  -d '${JSON.stringify({ model, messages: [{ role: "user", content: "Hello" }], stream: true })}'`,
        },
        {
            title: "OpenAI for Python",
            note: "pip install openai",
            text: `from openai import OpenAI

client = OpenAI(base_url="${origin}/v1", api_key="none")
stream = client.chat.completions.create(
    model=${JSON.stringify(model)},
    messages=[{"role": "user", "content": "Hello"}],
    stream=True,
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)`,
        },
        {
            title: "Ollama clients",
            note: "start the server with --ollama 11434",
            text: `curl http://${new URL(origin).hostname}:11434/api/chat \\
  -d '${JSON.stringify({
      model,
      messages: [{ role: "user", content: "Hello" }],
  })}'`,
        },
        {
            title: "Watch it live",
            note: "the native protocol, with websocat",
            text: `websocat ${origin.replace(/^http/, "ws")}/ws
{"type":"hello","protocol":1}
{"type":"send","client_msg_id":"1","text":"Hello"}`,
        },
    ];
}

export function ProgramsTab() {
    const model = useStore(useClient().model);
    const name =
        model?.path
            ?.split(/[\\/]/)
            .pop()
            ?.replace(/\.[a-z]+$/i, "") ?? "default";
    return (
        <>
            <p className="server-note">
                Where keys are needed, programs send one as <code>Authorization: Bearer KEY</code>, in the
                place of <code>none</code>; <code>runnel key add NAME</code> makes it.
            </p>
            {snippetsOf(location.origin, name).map(({ title, note, text }) => (
                <section className="snippet" key={title} data-testid="snippet">
                    <div className="card-line">
                        <div className="snippet-words">
                            <h3>{title}</h3>
                            <span className="card-facts">{note}</span>
                        </div>
                        <CopyButton label={`Copy ${title}`} text={() => text} showLabel />
                    </div>
                    {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
                    <pre tabIndex={0} role="region" aria-label={title}>
                        <code>{text}</code>
                    </pre>
                </section>
            ))}
        </>
    );
}
