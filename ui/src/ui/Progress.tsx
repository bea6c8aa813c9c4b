interface ProgressProps {
    value: number | null /* 0 to 1; null: it is not known how far */;
    label: string;
}

export function Progress({ value, label }: ProgressProps) {
    const percent = value === null ? null : Math.round(Math.min(1, Math.max(0, value)) * 100);
    return (
        <div
            className="progress"
            role="progressbar"
            aria-label={label}
            aria-valuemin={0}
            aria-valuemax={100}
            {...(percent === null ? {} : { "aria-valuenow": percent })}
        >
            <div
                style={percent === null ? undefined : { width: `${percent}%` }}
                data-unknown={percent === null}
            />
        </div>
    );
}
