import { useId } from "react";
import type { NumberField } from "./fields";

interface NumberInputProps {
    field: NumberField;
    text: string;
    error: string | undefined;
    onChange: (text: string) => void;
    testId: string;
    hasSlider?: boolean /* beside the box, where the range is small */;
    placeholder: string | undefined;
}

export function NumberInput(props: NumberInputProps) {
    const { field, text, error, onChange, testId, hasSlider = false, placeholder } = props;
    const id = useId();
    return (
        <div className={hasSlider ? "field field-slider" : "field field-row"}>
            <div className="field-words">
                <label htmlFor={id}>{field.label}</label>
                <p className="field-help" id={`${id}-help`}>
                    {field.help}
                </p>
            </div>
            {hasSlider && (
                <input
                    type="range"
                    tabIndex={-1}
                    aria-hidden="true"
                    min={field.min}
                    max={field.max}
                    step={field.step}
                    value={Number(text) || 0}
                    onChange={(event) => onChange(event.target.value)}
                />
            )}
            <input
                id={id}
                className="field-control"
                type="text"
                inputMode={field.isInteger ? "numeric" : "decimal"}
                autoComplete="off"
                aria-describedby={`${id}-help ${id}-error`}
                aria-invalid={error !== undefined}
                placeholder={placeholder}
                value={text}
                data-testid={testId}
                onChange={(event) => onChange(event.target.value)}
            />
            <FieldError text={error} id={`${id}-error`} />
        </div>
    );
}

interface TextInputProps {
    label: string;
    isLabelHidden?: boolean /* something else in sight names it */;
    help?: string;
    rows: number;
    isCode?: boolean;
    placeholder?: string;
    text: string;
    error: string | undefined;
    onChange: (text: string) => void;
    testId: string;
}

export function TextInput(props: TextInputProps) {
    const { label, isLabelHidden, help, rows, isCode, placeholder, text, error, onChange, testId } = props;
    const id = useId();
    return (
        <>
            <label htmlFor={id} className={isLabelHidden ? "visually-hidden" : undefined}>
                {label}
            </label>
            {help !== undefined && (
                <p className="field-help" id={`${id}-help`}>
                    {help}
                </p>
            )}
            <textarea
                id={id}
                aria-describedby={`${id}-help ${id}-error`}
                aria-invalid={error !== undefined}
                rows={rows}
                className={isCode ? "field-control mono" : "field-control"}
                placeholder={placeholder}
                value={text}
                data-testid={testId}
                onChange={(event) => onChange(event.target.value)}
            />
            <FieldError text={error} id={`${id}-error`} />
        </>
    );
}

interface SelectInputProps {
    label: string;
    help?: string;
    choices: readonly { value: string; label: string }[];
    value: string;
    onChange: (value: string) => void;
    testId: string;
}

export function SelectInput({ label, help, choices, value, onChange, testId }: SelectInputProps) {
    const id = useId();
    return (
        <>
            <label htmlFor={id}>{label}</label>
            {help !== undefined && (
                <p className="field-help" id={`${id}-help`}>
                    {help}
                </p>
            )}
            <select
                id={id}
                className="field-control"
                aria-describedby={help === undefined ? undefined : `${id}-help`}
                value={value}
                data-testid={testId}
                onChange={(event) => onChange(event.target.value)}
            >
                {choices.map((choice) => (
                    <option key={choice.value} value={choice.value}>
                        {choice.label}
                    </option>
                ))}
            </select>
        </>
    );
}

function FieldError({ text, id }: { text: string | undefined; id: string }) {
    return (
        <p className="field-error" id={id} role="alert" hidden={!text}>
            {text}
        </p>
    );
}
