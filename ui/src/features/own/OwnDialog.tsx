import { type FormEvent, useId, useState } from "react";
import type { ConversationStore } from "../../chat/conversationStore";
import { fileTitle } from "../../protocol/frames";
import { DialogFrame } from "../../ui/DialogFrame";
import type { PopupProps } from "../../ui/lazily";
import { isModelFile, useBrowse } from "../models/useModels";
import type { NumberField } from "../settings/fields";
import { useClient } from "../useClient";
import { OWN_FIELDS, type OwnForm, ownErrors, ownFormOf, ownOf } from "./ownForm";
import "../settings/settings.css";

interface OwnDialogProps extends PopupProps {
    conversation: ConversationStore;
}

export default function OwnDialog({ isOpen, onClose, conversation }: OwnDialogProps) {
    return (
        <DialogFrame
            title="This conversation"
            className="settings"
            testId="own"
            isOpen={isOpen}
            onClose={onClose}
        >
            {isOpen && <OwnFields conversation={conversation} onDone={onClose} />}
        </DialogFrame>
    );
}

function OwnFields({ conversation, onDone }: { conversation: ConversationStore; onDone: () => void }) {
    const client = useClient();
    const [before] = useState(() => conversation.get().own);
    const [form, setForm] = useState<OwnForm>(() => ownFormOf(before));
    const [failure, setFailure] = useState<string | null>(null);
    const ids = useId();
    const errors = ownErrors(form);
    const hasErrors = Object.keys(errors).length > 0;
    const save = async (event: FormEvent) => {
        event.preventDefault();
        if (hasErrors) return;
        try {
            await client.changeOwn(conversation, ownOf(before, form));
            onDone();
        } catch (error) {
            setFailure(error instanceof Error ? error.message : String(error));
        }
    };
    return (
        <form className="settings-form" onSubmit={save} noValidate>
            <div className="settings-body">
                <p className="field-help">
                    For this conversation only, from the next answer on. What is empty is as in the settings.
                </p>
                <ModelChoice model={form.model} onChange={(model) => setForm({ ...form, model })} />
                <div className="field">
                    <label className="own-check">
                        <input
                            type="checkbox"
                            checked={form.hasPrompt}
                            data-testid="own-has-prompt"
                            onChange={(event) => setForm({ ...form, hasPrompt: event.target.checked })}
                        />
                        A system prompt of its own
                    </label>
                    {form.hasPrompt && (
                        <textarea
                            aria-label="System prompt"
                            rows={5}
                            className="field-control"
                            placeholder="None: the model is told nothing before."
                            aria-invalid={errors.system_prompt !== undefined}
                            value={form.prompt}
                            data-testid="own-system_prompt"
                            onChange={(event) => setForm({ ...form, prompt: event.target.value })}
                        />
                    )}
                    <p className="field-error" role="alert" hidden={!errors.system_prompt}>
                        {errors.system_prompt}
                    </p>
                </div>
                {OWN_FIELDS.map((field) => (
                    <OwnNumber
                        key={field.name}
                        id={`${ids}-${field.name}`}
                        field={field}
                        text={form.numbers[field.name] ?? ""}
                        error={errors[field.name]}
                        onChange={(text) =>
                            setForm({ ...form, numbers: { ...form.numbers, [field.name]: text } })
                        }
                    />
                ))}
            </div>
            <div className="dialog-foot">
                {failure && (
                    <p className="field-error" role="alert">
                        {failure}
                    </p>
                )}
                <button
                    type="button"
                    className="text-button"
                    onClick={() => setForm(ownFormOf({ model: null, settings: null }))}
                >
                    As in the settings
                </button>
                <span className="foot-space" />
                <button type="button" className="button" onClick={onDone}>
                    Cancel
                </button>
                <button
                    type="submit"
                    className="button button-primary"
                    data-testid="own-save"
                    disabled={hasErrors}
                >
                    Save
                </button>
            </div>
        </form>
    );
}

function ModelChoice({ model, onChange }: { model: string; onChange: (model: string) => void }) {
    const id = useId();
    const { result } = useBrowse();
    const names = (result?.files ?? [])
        .filter((file) => !file.isDirectory && isModelFile(file.name))
        .map((file) => file.name);
    if (model !== "" && !names.includes(model)) names.unshift(model);
    return (
        <div className="field">
            <label htmlFor={id}>Model</label>
            <select
                id={id}
                className="field-control"
                value={model}
                data-testid="own-model"
                onChange={(event) => onChange(event.target.value)}
            >
                <option value="">The one that is chosen above</option>
                {names.map((name) => (
                    <option key={name} value={name}>
                        {fileTitle(name)}
                    </option>
                ))}
            </select>
        </div>
    );
}

interface OwnNumberProps {
    id: string;
    field: NumberField;
    text: string;
    error: string | undefined;
    onChange: (text: string) => void;
}

function OwnNumber({ id, field, text, error, onChange }: OwnNumberProps) {
    return (
        <div className="field field-row">
            <div className="field-words">
                <label htmlFor={id}>{field.label}</label>
                <p className="field-help" id={`${id}-help`}>
                    {field.help}
                </p>
            </div>
            <input
                id={id}
                className="field-control"
                type="text"
                inputMode={field.isInteger ? "numeric" : "decimal"}
                autoComplete="off"
                placeholder="as set"
                aria-describedby={`${id}-help ${id}-error`}
                aria-invalid={error !== undefined}
                value={text}
                data-testid={`own-${field.name}`}
                onChange={(event) => onChange(event.target.value)}
            />
            <p className="field-error" id={`${id}-error`} role="alert" hidden={!error}>
                {error}
            </p>
        </div>
    );
}
