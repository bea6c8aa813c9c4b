export function Logo({ size = 22 }: { size?: number }) {
    return (
        <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" className="logo">
            <rect width="32" height="32" rx="8" />
            <path d="M6 11c4-4 7 3 11 0s6-3 9 0M6 17c4-4 7 3 11 0s6-3 9 0M6 23c4-4 7 3 11 0s6-3 9 0" />
        </svg>
    );
}
