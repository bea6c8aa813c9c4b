// @vitest-environment happy-dom
import { cleanup, render } from "@testing-library/react";
import { useRef } from "react";
import { afterEach, expect, it } from "vitest";
import { useFilter } from "./useFilter";

afterEach(cleanup);

function Page({ search }: { search: string }) {
    const body = useRef<HTMLDivElement>(null);
    useFilter(body, search);
    return (
        <div ref={body}>
            <section className="settings-section">
                <div className="field">Enter sends</div>
            </section>
            <div className="field">
                Top p <p>Only the likeliest tokens</p>
            </div>
            <div className="field">Top k</div>
        </div>
    );
}

const shown = (view: HTMLElement) =>
    [...view.querySelectorAll<HTMLElement>(".field:not([hidden])")].map((field) =>
        field.textContent?.slice(0, 5),
    );

it("leaves what has all the words, in its name or its help", () => {
    const { container, rerender } = render(<Page search="" />);
    expect(shown(container)).toEqual(["Enter", "Top p", "Top k"]);
    rerender(<Page search="top LIKELIEST" />);
    expect(shown(container)).toEqual(["Top p"]);
    expect(container.querySelector<HTMLElement>("section")?.hidden).toBe(true);
    rerender(<Page search="" />);
    expect(shown(container)).toHaveLength(3);
    expect(container.querySelector<HTMLElement>("section")?.hidden).toBe(false);
});
